/** Windows that slide over spatial axes: what Conv, ConvTranspose and the pools have in common. */

import { fail } from "../../graph/error.ts";
import type { Shape } from "../../graph/tensor.ts";

/** One entry for each spatial axis. */
export interface Window {
  readonly kernel: Shape;
  readonly strides: Shape;
  readonly dilations: Shape;
  readonly before: Shape;
  readonly after: Shape;
}

export interface WindowAttributes {
  readonly auto_pad: string;
  readonly pads?: readonly number[] | undefined;
  readonly strides?: readonly number[] | undefined;
  readonly dilations?: readonly number[] | undefined;
}

/** The extent of a dilated kernel. */
export const extent = (kernel: number, dilation: number): number => dilation * (kernel - 1) + 1;

/** The window of a node over an input of the given spatial shape, `auto_pad` resolved to numbers. */
export function windowOf(spatial: Shape, kernel: Shape, attributes: WindowAttributes): Window {
  const rank = spatial.length;
  if (kernel.length !== rank) fail("bad-model", `a kernel of rank ${kernel.length} over ${rank} spatial axes`);
  checkWindow(rank, kernel, attributes);
  const strides = attributes.strides ?? spatial.map(() => 1);
  const dilations = attributes.dilations ?? spatial.map(() => 1);
  let before: Shape = attributes.pads?.slice(0, rank) ?? spatial.map(() => 0);
  let after: Shape = attributes.pads?.slice(rank) ?? spatial.map(() => 0);
  if (attributes.auto_pad === "VALID") {
    before = after = spatial.map(() => 0);
  } else if (attributes.auto_pad !== "NOTSET") {
    const total = spatial.map((size, i) =>
      Math.max(0, (Math.ceil(size / strides[i]!) - 1) * strides[i]! + extent(kernel[i]!, dilations[i]!) - size),
    );
    const small = total.map((n) => Math.floor(n / 2));
    const large = total.map((n) => Math.ceil(n / 2));
    [before, after] = attributes.auto_pad === "SAME_UPPER" ? [small, large] : [large, small];
  }
  return { kernel, strides, dilations, before, after };
}

const autoPads = new Set(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]);

/** Refuses numbers with which a window has no place or never moves on. */
function checkWindow(rank: number, kernel: Shape, { auto_pad, pads, strides, dilations }: WindowAttributes): void {
  if (!autoPads.has(auto_pad)) fail("bad-model", `its auto_pad "${auto_pad}" is none of ${[...autoPads].join(", ")}`);
  for (const [what, list = [], count] of [
    ["kernel_shape", kernel, rank],
    ["strides", strides, rank],
    ["dilations", dilations, rank],
    ["pads", pads, 2 * rank],
  ] as const) {
    if (list.length > 0 && list.length !== count)
      fail("bad-model", `it has ${list.length} ${what} for ${rank} spatial axes`);
    if (what !== "pads" && list.some((n) => n < 1))
      fail("bad-model", `its ${what} [${list.join(", ")}] must be at least 1`);
  }
}

/** The spatial shape of what the window gives. */
export function slide(spatial: Shape, w: Window, ceil = false): number[] {
  return spatial.map((size, i) => {
    const room = size + w.before[i]! + w.after[i]! - extent(w.kernel[i]!, w.dilations[i]!);
    if (room < 0) fail("bad-model", `a window of ${w.kernel[i]} does not fit into a spatial size of ${size}`);
    if (!ceil) return Math.floor(room / w.strides[i]!) + 1;
    const steps = Math.ceil(room / w.strides[i]!) + 1;
    // A window must start inside the input or its padding before it.
    return (steps - 1) * w.strides[i]! >= size + w.before[i]! ? steps - 1 : steps;
  });
}

/** Every index into a shape, the last axis fastest. */
export function cartesian(shape: Shape): number[][] {
  return shape.reduce<number[][]>(
    (all, size) => all.flatMap((head) => Array.from({ length: size }, (_, i) => [...head, i])),
    [[]],
  );
}
