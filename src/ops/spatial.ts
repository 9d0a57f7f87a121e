/** Pieces that the gradients of windowed operators share, written in standard operators. */

import { sizeOf, type Shape } from "../graph/tensor.ts";
import type { Value } from "./define.ts";
import type { Emit } from "./emit.ts";
import { cartesian, extent, type Window } from "./geometry.ts";

const ones = (n: number): number[] => Array.from({ length: n }, () => 1);

/**
 * Puts `strides - 1` zeros behind every element of the spatial axes: [N, C, H, W] becomes [N, C, H s, W s]. A depthwise
 * ConvTranspose with a kernel of 1 does it at memory speed, where padding single elements takes six times as long.
 */
export function insertZeros(g: Emit, x: Value, strides: Shape): Value {
  if (strides.every((s) => s === 1)) return x;
  const channels = x.shape[1]!;
  return g.ConvTranspose(x, g.filled(1, [channels, 1, ...ones(strides.length)]), {
    kernel_shape: ones(strides.length),
    strides,
    group: channels,
    output_padding: strides.map((s) => s - 1),
  });
}

/**
 * The kernel [M, C/G, k...] with its spatial axes reversed and its first two axes swapped in each group: [C, M/G, k...].
 * Taps are reversed where whole rows of channels move with them: the runtime reverses the last axis element by element.
 */
function flipKernel(g: Emit, w: Value, groups: number): Value {
  const [m, cg, ...kernel] = w.shape as [number, number, ...number[]];
  const taps = kernel.reduce((a, b) => a * b, 1);
  const rows = g.transposed(g.reshaped(w, [m, cg, taps]), [0, 2, 1]);
  const reversed = taps === 1 ? rows : g.sliced(rows, [1], [-1], [Number.MIN_SAFE_INTEGER], [-1]);
  const swapped = g.transposed(g.reshaped(reversed, [groups, (m / groups) * taps, cg]), [0, 2, 1]);
  return g.reshaped(swapped, [groups * cg, m / groups, ...kernel]);
}

/**
 * ∂/∂X of Y = Conv(X, W): the Conv of dY, zeros inserted for strides, with the flipped kernel.
 * dY [N, M, o...], W [M, C/G, k...] -> [N, C, ...spatial]. Also the forward of ConvTranspose.
 */
export function convInputGradient(g: Emit, dy: Value, w: Value, spatial: Shape, window: Window, groups: number): Value {
  const { kernel, strides, dilations, before } = window;
  if (groups === 1 && comesApart(window, spatial, dy.shape.slice(2)))
    return inputGradientByPhases(g, dy, w, spatial, window);
  const flipped = flipKernel(g, w, groups);
  const rank = spatial.length;
  const out = dy.shape.slice(2);
  const reach = kernel.map((k, i) => extent(k, dilations[i]!) - 1);
  const start = reach.map((r, i) => r - before[i]!);
  if (kernel.every((k) => k === 1)) {
    // A 1x1 kernel commutes with the insertion of zeros: the smaller Conv first.
    const spread = insertZeros(g, g.Conv(dy, flipped, { kernel_shape: ones(rank), group: groups }), strides);
    const end = spatial.map((size, i) => size - out[i]! * strides[i]! + before[i]!);
    return g.padded(spread, [0, 0, ...start], [0, 0, ...end]);
  }
  const end = spatial.map((size, i) => size - out[i]! * strides[i]! + reach[i]! - start[i]!);
  const crop = (amounts: readonly number[]) => [0, 0, ...amounts.map((n) => Math.min(0, n))];
  const spread = g.padded(insertZeros(g, dy, strides), crop(start), crop(end));
  return g.Conv(spread, flipped, {
    kernel_shape: kernel,
    dilations,
    group: groups,
    pads: [...start, ...end].map((n) => Math.max(0, n)),
  });
}

/**
 * The phases of a stride s along each axis: pixel x = s i + a of the input meets the tap t = a + pad - s d at the output i + d, for d from `first`
 * to `last`; `length` is how many i there are, `behind` how many outputs past the end they meet.
 */
const phasesOf = ({ kernel, strides, before }: Window, spatial: Shape, out: Shape) =>
  kernel.map((k, axis) => {
    const [s, pad] = [strides[axis]!, before[axis]!];
    const [first, last] = [Math.ceil((pad - k + 1) / s), Math.floor((s - 1 + pad) / s)];
    const length = Math.ceil(spatial[axis]! / s);
    return { first, last, length, reach: last - first + 1, behind: length - out[axis]! + last, lead: s * last - pad };
  });

/** Whether the gradient of a strided convolution over an image is worth computing phase by phase. */
function comesApart(window: Window, spatial: Shape, out: Shape): boolean {
  const { kernel, strides, dilations } = window;
  return (
    kernel.length === 2 &&
    strides[0]! > 1 &&
    strides[0] === strides[1] &&
    dilations.every((d) => d === 1) &&
    kernel.every((k, i) => k > strides[i]!) &&
    phasesOf(window, spatial, out).every(({ first, behind }) => first <= 0 && behind >= 0)
  );
}

/**
 * ∂/∂X of a Conv with a stride, not by zeros between the pixels of dY but by the phases of X: one Conv with a kernel of about k / s taps gives all s²
 * phases as channels, and DepthToSpace puts them side by side.
 */
function inputGradientByPhases(g: Emit, dy: Value, w: Value, spatial: Shape, window: Window): Value {
  const { kernel, strides } = window;
  const phases = phasesOf(window, spatial, dy.shape.slice(2));
  const s = strides[0]!;
  const [m, c] = w.shape as [number, number];
  const lead = phases.map((phase) => phase.lead);
  const rest = phases.map(({ reach }, i) => reach * s - kernel[i]! - lead[i]!);
  const whole = g.padded(w, [0, 0, ...lead], [0, 0, ...rest]);
  const apart = g.reshaped(whole, [m, c, ...phases.flatMap(({ reach }) => [reach, s])]);
  const end = Number.MIN_SAFE_INTEGER;
  const reversed = g.sliced(apart, [2, 4], [-1, -1], [end, end], [-1, -1]);
  const reach = phases.map((phase) => phase.reach);
  const stacked = g.Conv(dy, g.reshaped(g.transposed(reversed, [3, 5, 1, 0, 2, 4]), [s * s * c, m, ...reach]), {
    kernel_shape: reach,
    pads: [...phases.map(({ first }) => -first), ...phases.map(({ behind }) => behind)],
  });
  const over = phases.map(({ length }, i) => spatial[i]! - length * s);
  return g.padded(g.DepthToSpace(stacked, { blocksize: s }), [0, 0, 0, 0], [0, 0, ...over]);
}

/** Up to so many rows of shifted inputs go into one matrix product: few channels alone leave its kernel half empty. */
const mostRows = 256;
const fewChannels = 8;
/** Up to so many channels the shifts along the last axis are put into one product. */
const fewInLines = 10;

/**
 * ∂/∂W of Y = Conv(X, W) as one matrix product for each kernel tap: for tap t, dW[:, :, t] = dY · shift_t(X)ᵀ summed over
 * samples and space. Inputs of few channels have the taps of many shifts in one product. X [N, C, s...], dY [N, M, o...] -> [M, C/G, k...].
 */
export function convWeightGradient(g: Emit, x: Value, dy: Value, window: Window, groups: number): Value {
  const { kernel } = window;
  const c = x.shape[1]!;
  const m = dy.shape[1]!;
  if (groups === 1 && isProduct(window) && 2 * m * c <= sizeOf(dy.shape.slice(2)) * (m + c))
    return g.reshaped(productsBySample(g, x, dy), [m, c, ...kernel]);
  if (groups === 1 && m < c && !isProduct(window) && isSymmetric(window))
    return flipKernel(g, convWeightGradient(g, dy, x, mirrored(window), 1), 1);
  const swap = [1, 0, ...kernel.map((_, i) => i + 2)];
  const taps = cartesian(kernel);
  const own = [dy.shape[0]!, ...dy.shape.slice(2)];
  const sizes = groups === 1 && taps.length > 1 ? apart(own) : own;
  const columns = sizeOf(sizes);
  const turned = g.padded(g.transposed(dy, swap), [0, ...own.map(() => 0)], [0, ...sizes.map((n, i) => n - own[i]!)]);
  const rows = g.reshaped(turned, groups === 1 ? [m, columns] : [groups, m / groups, columns]);
  const product = (some: readonly Shape[]): Value => {
    if (groups > 1) {
      const parts = g.reshaped(shift(some[0]!), [groups, c / groups, columns]);
      return g.reshaped(g.MatMul(rows, g.transposed(parts, [0, 2, 1])), [m, c / groups]);
    }
    const parts = some.map((tap) => g.reshaped(shift(tap), [c, columns]));
    const stack = parts.length === 1 ? parts[0]! : g.Concat(...parts, { axis: 0 });
    return g.Gemm(rows, stack, { transB: 1 });
  };
  if (groups === 1 && kernel.length > 1 && c <= fewInLines && isSymmetric(window))
    return g.reshaped(productsByLine(g, g.transposed(x, swap), rows, sizes, window), [m, c, ...kernel]);
  const shift = shifts(g, g.transposed(x, swap), sizes, window);
  const together = groups === 1 && c < fewChannels ? Math.floor(mostRows / c) : 1;
  const products = Array.from({ length: Math.ceil(taps.length / together) }, (_, i) =>
    product(taps.slice(i * together, (i + 1) * together)),
  );
  const all = products.length === 1 ? products[0]! : g.Concat(...products, { axis: 1 });
  const byTap = g.reshaped(all, [m, taps.length, c / groups]);
  return g.reshaped(g.transposed(byTap, [0, 2, 1]), [m, c / groups, ...kernel]);
}

/** Two rows of a matrix this many float32 apart start in the same set of a processor's first cache (4 KiB), or in one of two. */
const sameSet = 512;
const mostMore = 1.07;

/**
 * Sizes for [N, o...] whose product is no multiple of {@link sameSet}, one larger where that costs little: the rows of a matrix product that all begin in the same
 * sets of the cache drive each other out of it.
 */
function apart(sizes: Shape): Shape {
  if (sizeOf(sizes) % sameSet !== 0) return sizes;
  const larger = cartesian(sizes.map(() => 2))
    .map((more) => sizes.map((n, i) => n + more[i]!))
    .filter((some) => sizeOf(some) % sameSet !== 0);
  const least = larger.reduce((a, b) => (sizeOf(b) <= sizeOf(a) ? b : a));
  return sizeOf(least) <= mostMore * sizeOf(sizes) ? least : sizes;
}

/** Whether a convolution is a matrix product at every pixel. */
const isProduct = ({ kernel, strides, before, after }: Window): boolean =>
  kernel.every((k, i) => k === 1 && strides[i] === 1 && before[i] === 0 && after[i] === 0);

/** Whether X and dY can change places in {@link convWeightGradient}: each pixel of one meets as many of the other, at the mirrored tap. */
const isSymmetric = ({ kernel, strides, dilations, before, after }: Window): boolean =>
  strides.every((s) => s === 1) &&
  kernel.every(
    (k, i) => Math.max(before[i]!, after[i]!) < extent(k, dilations[i]!) && Math.min(before[i]!, after[i]!) >= 0,
  );

/** The window through which dY, as an input, is seen from the pixels of X. */
function mirrored(window: Window): Window {
  const reach = window.kernel.map((k, i) => extent(k, window.dilations[i]!) - 1);
  const rest = (pads: readonly number[]): number[] => pads.map((pad, i) => reach[i]! - pad);
  return { ...window, before: rest(window.before), after: rest(window.after) };
}

/**
 * dW with the taps along the last axis side by side, in one product for each tap of the others. X is given as [C, N, s...], `rows` is dY as
 * [M, N o...] with zeros up to the sizes [N, o...]; gives [M, C, taps].
 */
function productsByLine(g: Emit, x: Value, rows: Value, sizes: Shape, window: Window): Value {
  const { kernel, dilations } = window;
  const [m, columns] = rows.shape as [number, number];
  const c = x.shape[0]!;
  const out = sizes.slice(1);
  const [width, step, size] = [kernel.at(-1)!, dilations.at(-1)!, out.at(-1)!];
  const padded = paddedFor(g, x, sizes, window);
  const along = Array.from({ length: width }, (_, t) =>
    g.sliced(padded, [kernel.length + 1], [t * step], [t * step + size]),
  );
  const lines = g.Concat(...along, { axis: 0 });
  const products = cartesian(kernel.slice(0, -1)).map((tap) => {
    const starts = tap.map((t, i) => t * dilations[i]!);
    const ends = starts.map((start, i) => start + out[i]!);
    const seen = g.sliced(
      lines,
      tap.map((_, i) => i + 2),
      starts,
      ends,
    );
    return g.Gemm(rows, g.reshaped(seen, [width * c, columns]), { transB: 1 });
  });
  return g.transposed(g.reshaped(g.Concat(...products, { axis: 1 }), [m, width * products.length, c]), [0, 2, 1]);
}

/** dW of a 1x1 kernel as one product for each sample, summed: where these are smaller than the transposed X and dY that one product would need. */
function productsBySample(g: Emit, x: Value, dy: Value): Value {
  const flat = (value: Value): Value => {
    const [n, channels, ...space] = value.shape as [number, number, ...number[]];
    return g.reshaped(value, [n, channels, space.reduce((a, b) => a * b, 1)]);
  };
  return g.summed(g.MatMul(flat(dy), g.transposed(flat(x), [0, 2, 1])), [0]);
}

/** X [C, N, s...] with zeros up to where the last tap reads for outputs of the sizes [N, o...]; what a stride leaves over is cropped away. */
function paddedFor(g: Emit, x: Value, [samples, ...out]: Shape, { kernel, strides, dilations, before }: Window): Value {
  const needed = out.map((size, i) => (size - 1) * strides[i]! + extent(kernel[i]!, dilations[i]!));
  const end = needed.map((size, i) => size - x.shape[i + 2]! - before[i]!);
  return g.padded(x, [0, 0, ...before], [0, samples! - x.shape[1]!, ...end]);
}

/**
 * What each kernel tap reads of X, given as [C, N, s...], for outputs of the sizes [N, o...]: [C, N, o...]. With strides X is first split into the
 * phases that they tell apart, so that the slices of taps read whole rows.
 */
function shifts(g: Emit, x: Value, sizes: Shape, window: Window): (tap: Shape) => Value {
  const { kernel, strides, dilations } = window;
  const out = sizes.slice(1);
  const padded = paddedFor(g, x, sizes, window);
  const axes = kernel.map((_, i) => i + 2);
  const part = (from: Value, starts: Shape, ends: Shape, steps?: Shape): Value =>
    starts.every((s, i) => s === 0 && (steps?.[i] ?? 1) === 1 && ends[i] === from.shape[i + 2])
      ? from
      : g.sliced(from, axes, starts, ends, steps?.some((s) => s > 1) ? steps : undefined);
  const phases = new Map<string, Value>();
  const phaseAt = (phase: Shape): Value => {
    const key = phase.join();
    const value = phases.get(key) ?? part(padded, phase, padded.shape.slice(2), strides);
    phases.set(key, value);
    return value;
  };
  return (tap) => {
    const starts = tap.map((t, i) => t * dilations[i]!);
    const first = starts.map((s, i) => Math.floor(s / strides[i]!));
    const phase = starts.map((s, i) => s % strides[i]!);
    return part(
      phaseAt(phase),
      first,
      first.map((s, i) => s + out[i]!),
    );
  };
}
