/** ∂/∂W of windowed operators as matrix products, written in standard operators. */

import { sizeOf, type Shape } from "../../graph/tensor.ts";
import type { Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";
import { cartesian, extent, type Window } from "./geometry.ts";
import { flipKernel } from "./spatial.ts";

/** Up to so many rows of shifted inputs go into one matrix product: few channels alone leave its kernel half empty. */
const mostRows = 256;
const fewChannels = 8;
/** Up to so many channels the shifts along the last axis are put into one product. */
const fewInLines = 8;

/**
 * ∂/∂W of Y = Conv(X, W) as one matrix product for each kernel tap: for tap t, dW[:, :, t] = dY · shift_t(X)ᵀ
 * summed over samples and space. Inputs of few channels have the taps of many shifts in one product. X [N, C,
 * s...], dY [N, M, o...] -> [M, C/G, k...].
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
  const byLine = groups === 1 && kernel.length > 1 && c <= fewInLines && isSymmetric(window);
  const ring = groups === 1 && !byLine ? ringFor(x, dy, window) : undefined;
  const sizes = ring ?? (groups === 1 && taps.length > 1 ? apart(own) : own);
  const columns = sizeOf(sizes);
  const turned = g.padded(g.transposed(dy, swap), [0, ...own.map(() => 0)], [0, ...sizes.map((n, i) => n - own[i]!)]);
  const rows = g.reshaped(turned, groups === 1 ? [m, columns] : [groups, m / groups, columns]);
  const product = (some: readonly Shape[]): Value => {
    if (groups > 1) {
      const each = g.reshaped(shift(some[0]!), [groups, c / groups, columns]);
      return g.reshaped(g.MatMul(rows, g.transposed(each, [0, 2, 1])), [m, c / groups]);
    }
    const stack = g.joined(
      some.map((tap) => g.reshaped(shift(tap), [c, columns])),
      0,
    );
    return g.Gemm(rows, stack, { transB: 1 });
  };
  if (byLine) return g.reshaped(productsByLine(g, g.transposed(x, swap), rows, sizes, window), [m, c, ...kernel]);
  const shift = (ring ? shiftsOnRing : shifts)(g, g.transposed(x, swap), sizes, window);
  const together = groups === 1 && c < fewChannels ? Math.floor(mostRows / c) : 1;
  const products = Array.from({ length: Math.ceil(taps.length / together) }, (_, i) =>
    product(taps.slice(i * together, (i + 1) * together)),
  );
  const all = g.joined(products, 1);
  const byTap = g.reshaped(all, [m, taps.length, c / groups]);
  return g.reshaped(g.transposed(byTap, [0, 2, 1]), [m, c / groups, ...kernel]);
}

/**
 * Rows of a matrix this many float32 apart start in the same set of a processor's
 * first cache (4 KiB), or in one of two.
 */
const sameSet = 512;
const mostMore = 1.07;

/**
 * Sizes for [N, o...] whose product is no multiple of {@link sameSet}, one larger where that costs little. Rows of a
 * matrix product that all begin in the same sets of the cache drive each other out of it.
 */
function apart(sizes: Shape): Shape {
  if (sizeOf(sizes) % sameSet !== 0) return sizes;
  const larger = cartesian(sizes.map(() => 2))
    .map((more) => sizes.map((n, i) => n + more[i]!))
    .filter((some) => sizeOf(some) % sameSet !== 0);
  const least = larger.reduce((a, b) => (sizeOf(b) <= sizeOf(a) ? b : a));
  return sizeOf(least) <= mostMore * sizeOf(sizes) ? least : sizes;
}

/** Up to so many rows of products more for each row of a shift, a shift that is copied in one piece pays. */
const mostForPieces = 18;

/**
 * Sizes for [N, o...] at which a tap's shift is a step along one line. What runs over the end of an axis of X meets the
 * zeros before the next row, so that these stand there once and not on both sides. `undefined` where strides keep
 * shifts apart, or where the zeros cost more than shorter copies do.
 */
function ringFor(x: Value, dy: Value, window: Window): Shape | undefined {
  const { kernel, dilations, before } = window;
  if (kernel.every((k) => k === 1) || !isSymmetric(window)) return undefined;
  const pitch = kernel.map((k, i) => {
    const [size, out] = [x.shape[i + 2]!, dy.shape[i + 2]!];
    return Math.max(before[i]! + size, out, out + extent(k, dilations[i]!) - 1 - before[i]!);
  });
  const sizes = apart([dy.shape[0]!, ...pitch]);
  const more = (sizeOf(sizes) * dy.shape[1]!) / sizeOf(dy.shape) - 1;
  return more * dy.shape[1]! <= mostForPieces ? sizes : undefined;
}

/** {@link shifts} for sizes of {@link ringFor}: [C, N o...], each in one piece. */
function shiftsOnRing(g: Emit, x: Value, sizes: Shape, { kernel, dilations, before }: Window): (tap: Shape) => Value {
  const [samples, ...pitch] = sizes as [number, ...number[]];
  const steps = pitch.map((_, i) => sizeOf(pitch.slice(i + 1)));
  const startOf = (tap: Shape): number => tap.reduce((sum, t, i) => sum + t * dilations[i]! * steps[i]!, 0);
  const behind = Math.ceil(startOf(kernel.map((k) => k - 1)) / sizeOf(pitch));
  const after = pitch.map((p, i) => p - before[i]! - x.shape[i + 2]!);
  const padded = g.padded(x, [0, 0, ...before], [0, samples - x.shape[1]! + behind, ...after]);
  const line = g.reshaped(padded, [x.shape[0]!, sizeOf(padded.shape.slice(1))]);
  return (tap) => g.sliced(line, [1], [startOf(tap)], [startOf(tap) + sizeOf(sizes)]);
}

/** Whether a convolution is a matrix product at every pixel. */
const isProduct = ({ kernel, strides, before, after }: Window): boolean =>
  kernel.every((k, i) => k === 1 && strides[i] === 1 && before[i] === 0 && after[i] === 0);

/**
 * Whether X and dY can change places in {@link convWeightGradient}: each pixel of one meets as
 * many of the other, at the mirrored tap.
 */
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
 * dW with the taps along the last axis side by side, in one product for each tap of the others. X is given as [C, N,
 * s...], `rows` is dY as [M, N o...] with zeros up to the sizes [N, o...]; gives [M, C, taps].
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

/**
 * dW of a 1x1 kernel as one product for each sample, summed: where these are smaller than the transposed
 * X and dY that one product would need.
 */
function productsBySample(g: Emit, x: Value, dy: Value): Value {
  const flat = (value: Value): Value => {
    const [n, channels, ...space] = value.shape as [number, number, ...number[]];
    return g.reshaped(value, [n, channels, space.reduce((a, b) => a * b, 1)]);
  };
  return g.summed(g.MatMul(flat(dy), g.transposed(flat(x), [0, 2, 1])), [0]);
}

/** X [C, N, s...] padded or cropped to where the last tap reads for outputs of the sizes [N, o...]. */
function paddedFor(g: Emit, x: Value, [samples, ...out]: Shape, { kernel, strides, dilations, before }: Window): Value {
  const needed = out.map((size, i) => (size - 1) * strides[i]! + extent(kernel[i]!, dilations[i]!));
  const end = needed.map((size, i) => size - x.shape[i + 2]! - before[i]!);
  return g.padded(x, [0, 0, ...before], [0, samples! - x.shape[1]!, ...end]);
}

/**
 * What each kernel tap reads of X, given as [C, N, s...], for outputs of the sizes [N, o...]: [C, N, o...]. With
 * strides X is first split into the phases that they tell apart, so that the slices of taps read whole rows.
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
