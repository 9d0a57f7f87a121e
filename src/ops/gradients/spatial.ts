/** Pieces that the gradients of windowed operators share, written in standard operators. */

import type { Shape } from "../../graph/tensor.ts";
import type { Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";
import { extent, type Window } from "./geometry.ts";

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
 * The kernel [M, C/G, k...] with its spatial axes reversed and its first two axes swapped in each
 * group: [C, M/G, k...]. Taps are reversed where whole rows of channels move with them: the runtime
 * reverses the last axis element by element.
 */
export function flipKernel(g: Emit, w: Value, groups: number): Value {
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
 * The phases of a stride s along each axis: pixel x = s i + a of the input meets the tap t = a + pad - s d at the
 * output i + d, for d from `first` to `last`. `length` is how many i there are, `behind` how many outputs past the end
 * they meet.
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
 * ∂/∂X of a Conv with a stride, not by zeros between the pixels of dY but by the phases of X. One Conv with a kernel of
 * about k / s taps gives all s² phases as channels, and DepthToSpace puts them side by side.
 */
function inputGradientByPhases(g: Emit, dy: Value, w: Value, spatial: Shape, window: Window): Value {
  const { kernel, strides } = window;
  const phases = phasesOf(window, spatial, dy.shape.slice(2));
  const s = strides[0]!;
  const [m, c] = w.shape as [number, number];
  const lead = phases.map((phase) => phase.lead);
  const rest = phases.map(({ reach }, i) => reach * s - kernel[i]! - lead[i]!);
  const padded = g.padded(w, [0, 0, ...lead], [0, 0, ...rest]);
  const apart = g.reshaped(padded, [m, c, ...phases.flatMap(({ reach }) => [reach, s])]);
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
