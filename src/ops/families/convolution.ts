/** Convolutions. */

import { fail } from "../../graph/error.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { blockedConv } from "../gradients/channel-block.ts";
import type { Channels } from "../core/channels.ts";
import { defineOp, int, ints, string, type Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";
import { extent, slide, windowOf, type Window, type WindowAttributes } from "../gradients/geometry.ts";
import { convWeightGradient } from "../gradients/kernel-gradient.ts";
import { convInputGradient } from "../gradients/spatial.ts";

/** Of all that slides a kernel as Conv does. */
export const kernelAttributes = {
  auto_pad: string("NOTSET"),
  dilations: ints(),
  group: int(1),
  kernel_shape: ints(),
  pads: ints(),
  strides: ints(),
};

/** Refuses groups that are none, or more than there are channels. */
function checkGroup(group: number, channels: number): void {
  if (group < 1 || group > Math.max(1, channels) || channels % group !== 0)
    fail("bad-model", `${channels} channels do not divide by group ${group}`);
}

const convWindow = (X: Value, W: Value, attrs: WindowAttributes): Window =>
  windowOf(X.shape.slice(2), W.shape.slice(2), attrs);

/**
 * Channels of a grouped convolution: `inner` is an axis of W that lists the channels of one group. Where a group
 * has a single channel (depthwise), whole groups are removed; otherwise the j-th channel of every group goes
 * together, so that groups stay equal.
 */
function coupleSide(
  c: Channels,
  all: ReturnType<Channels["axis"]>,
  inner: ReturnType<Channels["axis"]>,
  groups: number,
): void {
  const width = all.length / groups;
  c.same(inner, ...Array.from({ length: groups }, (_, k) => all.slice(k * width, width)));
}

/**
 * Spatial axes whose places can go: what is called space may hold channels. Where a window is a single place, places
 * are apart from one another. Where one channel alone is convolved with its neighbours, as ECA does with the means of
 * all channels, those that are left become neighbours.
 */
export function looseSpace(
  X: Value,
  W: Value,
  Y: Value,
  attrs: WindowAttributes,
): { axis: number; isApart: boolean }[] {
  const { kernel, strides, before } = convWindow(X, W, attrs);
  return kernel.flatMap((size, i) => {
    const axis = i + 2;
    if (strides[i] !== 1 || X.shape[axis] !== Y.shape[axis]) return [];
    const isApart = size === 1 && before[i] === 0;
    return isApart || (X.shape[1] === 1 && Y.shape[1] === 1) ? [{ axis, isApart }] : [];
  });
}

/** What is left of a convolution of nothing: the bias of each channel, whatever the size of the image. */
const biasAlone = (g: Emit, B: Value | undefined, { shape }: Value): Value | "zero" =>
  B ? g.reshaped(B, [1, ...B.shape, ...shape.slice(2).map(() => 1)]) : "zero";

/** https://onnx.ai/onnx/operators/onnx__Conv.html — Y[n, m] = B[m] + Σ_c W[m, c] ⋆ X[n, c] */
export const Conv = defineOp({
  name: "Conv",
  since: 22,
  inputs: ["X", "W", "B?"],
  attributes: kernelAttributes,
  shape({ X, W }, attrs) {
    if (X.shape.length < 3 || X.shape.length !== W.shape.length)
      fail(
        "bad-model",
        `input [${X.shape.join(", ")}] and weight [${W.shape.join(", ")}] must have the same rank, at least 3`,
      );
    checkGroup(attrs.group, W.shape[0]!);
    if (X.shape[1] !== W.shape[1]! * attrs.group)
      fail(
        "bad-model",
        `weight [${W.shape.join(", ")}] with group ${attrs.group} does not fit an input of ${X.shape[1]} channels`,
      );
    return [X.shape[0]!, W.shape[0]!, ...slide(X.shape.slice(2), convWindow(X, W, attrs))];
  },
  gradient: (g, dy, { X, W, B }, attrs) => ({
    // dX = dY, zeros inserted for strides, convolved with the flipped kernel; dW = Σ dY · shift(X)ᵀ; dB = Σ dY
    X: () => convInputGradient(g, dy, W, X.shape.slice(2), convWindow(X, W, attrs), attrs.group),
    W: () => convWeightGradient(g, X, dy, convWindow(X, W, attrs), attrs.group),
    B: B && (() => g.summed(dy, [0, ...X.shape.slice(2).map((_, i) => i + 2)])),
  }),
  channels(c, { X, W, B }, [Y], attrs) {
    const { group } = attrs;
    const into = c.axis(X, 1);
    const out = c.axis(Y!, 1);
    const rows = c.axis(W, 0);
    c.same(rows, out, ...(B ? [c.axis(B, 0)] : []));
    if (group === 1) {
      c.same(into, c.axis(W, 1));
    } else if (W.shape[1] === 1) {
      c.same(into, rows.blocks(rows.length / group));
    } else {
      coupleSide(c, into, c.axis(W, 1), group);
      c.same(...Array.from({ length: group }, (_, k) => rows.slice((k * rows.length) / group, rows.length / group)));
    }
    c.same(c.axis(X, 0), c.axis(Y!, 0));
    for (const { axis, isApart } of looseSpace(X, W, Y!, attrs)) {
      c.same(c.axis(X, axis), c.axis(Y!, axis));
      if (!isApart) c.inexact(c.axis(X, axis), "places move together, so that windows hold other neighbours");
    }
  },
  resize: (remaining, { X, W }, _outputs, { group }) => ({
    attributes: group > 1 && W.shape[1] === 1 ? { group: remaining.axis(X, 1).length } : {},
  }),
  // Depthwise and without a bias, a channel that is zero stays zero. Of one channel the places may be
  // channels, whose neighbours are not.
  zero: ({ X, W, B }, { group }) =>
    B === undefined && group > 1 && group === X.shape[1] && W.shape[1] === 1 ? "any" : undefined,
  wholeGroupRemoval: (g, { X, W, B }, Y, _attributes, isZero) =>
    isZero(X) || isZero(W) ? biasAlone(g, B, Y) : undefined,
  macs: ({ W }, [Y]) => sizeOf(Y!.shape) * sizeOf(W.shape.slice(1)),
  blocked: (g, { X, W, B }, attrs, block) => blockedConv(g, X, W, B, convWindow(X, W, attrs), attrs.group, block),
  samples: [
    { inputs: [[2, 3, 6, 5], [4, 3, 3, 3], [4]], attributes: { pads: [1, 1, 1, 1] } },
    { inputs: [[2, 4, 7, 7], [6, 4, 3, 3], null], attributes: { pads: [1, 1, 1, 1], strides: [2, 2] } },
    { inputs: [[1, 4, 9, 8], [6, 2, 3, 2], [6]], attributes: { group: 2, dilations: [2, 1], pads: [2, 0, 1, 1] } },
    { inputs: [[2, 3, 6, 6], [6, 1, 3, 3], [6]], attributes: { group: 3, pads: [1, 1, 1, 1] } },
    { inputs: [[2, 4, 5, 5], [4, 1, 3, 3], [4]], attributes: { group: 4, strides: [2, 2], auto_pad: "SAME_UPPER" } },
    { inputs: [[2, 3, 6, 6], [4, 3, 2, 4], [4]], attributes: { auto_pad: "SAME_LOWER", strides: [3, 2] } },
    {
      inputs: [[1, 3, 8, 9], [4, 3, 5, 3], [4]],
      attributes: { strides: [3, 2], pads: [2, 1, 0, 2], auto_pad: "NOTSET" },
    },
    { inputs: [[2, 4, 7, 7], [3, 4, 1, 1], [3]], attributes: { strides: [2, 2] } },
    { inputs: [[2, 4, 5, 4], [3, 4, 1, 1], [3]], attributes: { pads: [1, 0, 0, 2] } },
    { inputs: [[2, 1, 3, 2], [3, 1, 3, 2], [3]] },
    // Fewer channels out than in: dY is what is shifted.
    { inputs: [[2, 6, 5, 4], [3, 6, 3, 2], [3]], attributes: { pads: [2, 0, 1, 1], dilations: [2, 1] } },
    { inputs: [[1, 12, 4, 5], [11, 12, 2, 3], null], attributes: { pads: [0, 1, 1, 1] } },
    { inputs: [[2, 4, 7], [3, 4, 3], [3]], attributes: { pads: [1, 1] } },
    { inputs: [[2, 1, 6], [1, 1, 3], null], attributes: { pads: [1, 1] } },
    { inputs: [[2, 3, 4, 5], [3, 1, 1, 3], null], attributes: { group: 3, pads: [0, 1, 0, 1] } },
    { inputs: [[2, 1, 5, 4], [3, 1, 1, 3], [3]], attributes: { pads: [0, 1, 0, 1] } },
    // A product at every pixel, with more pixels than weights.
    { inputs: [[3, 3, 4, 5], [2, 3, 1, 1], [2]] },
    // Strides of which not every tap meets every phase, and kernels that differ along the axes.
    { inputs: [[2, 2, 7, 6], [3, 2, 3, 4], [3]], attributes: { strides: [2, 2], pads: [1, 2, 1, 1] } },
    { inputs: [[1, 2, 11, 10], [2, 2, 5, 4], null], attributes: { strides: [3, 3], pads: [2, 1, 1, 2] } },
    { inputs: [[2, 3, 9], [4, 3, 3], [4]], attributes: { strides: [2], auto_pad: "VALID" } },
    { inputs: [[1, 2, 4, 5, 3], [3, 2, 2, 3, 1], [3]], attributes: { pads: [1, 1, 0, 0, 1, 0], strides: [1, 2, 1] } },
  ],
});

/** The spatial size of what ConvTranspose gives, and the window of the Conv that it is the transpose of. */
function transposeWindow(
  X: Value,
  W: Value,
  attrs: WindowAttributes & {
    readonly output_padding?: readonly number[] | undefined;
    readonly output_shape?: readonly number[] | undefined;
  },
): { window: Window; spatial: number[] } {
  const kernel = W.shape.slice(2);
  const size = X.shape.slice(2);
  const strides = attrs.strides ?? size.map(() => 1);
  const dilations = attrs.dilations ?? size.map(() => 1);
  const extra = attrs.output_padding ?? size.map(() => 0);
  // Checks what is stated, whichever of it counts in the end.
  windowOf(size, kernel, attrs);
  const full = size.map((s, i) => strides[i]! * (s - 1) + extra[i]! + extent(kernel[i]!, dilations[i]!));
  const same = attrs.auto_pad === "SAME_UPPER" || attrs.auto_pad === "SAME_LOWER";
  const wanted = attrs.output_shape?.slice(-size.length) ?? (same ? size.map((s, i) => s * strides[i]!) : undefined);
  if (wanted) {
    const total = full.map((s, i) => Math.max(0, s - wanted[i]!));
    const small = total.map((n) => Math.floor(n / 2));
    const large = total.map((n) => Math.ceil(n / 2));
    const upper = attrs.auto_pad === "SAME_UPPER";
    return {
      window: {
        kernel,
        strides,
        dilations,
        before: upper ? small : large,
        after: upper ? large : small,
      },
      spatial: wanted,
    };
  }
  const window = windowOf(size, kernel, {
    ...attrs,
    strides,
    dilations,
    auto_pad: attrs.auto_pad === "VALID" ? "VALID" : "NOTSET",
  });
  return { window, spatial: full.map((s, i) => s - window.before[i]! - window.after[i]!) };
}

/** https://onnx.ai/onnx/operators/onnx__ConvTranspose.html — the Conv with weight [C, M/G, k...], transposed */
export const ConvTranspose = defineOp({
  name: "ConvTranspose",
  since: 22,
  inputs: ["X", "W", "B?"],
  attributes: { ...kernelAttributes, output_padding: ints(), output_shape: ints() },
  shape: ({ X, W }, attrs) => {
    if (X.shape.length < 3 || X.shape.length !== W.shape.length)
      fail("bad-model", `weight [${W.shape.join(", ")}] does not fit an input [${X.shape.join(", ")}]`);
    if (X.shape[1] !== W.shape[0])
      fail("bad-model", `weight [${W.shape.join(", ")}] does not fit an input of ${X.shape[1]} channels`);
    checkGroup(attrs.group, X.shape[1]!);
    return [X.shape[0]!, W.shape[1]! * attrs.group, ...transposeWindow(X, W, attrs).spatial];
  },
  gradient(g, dy, { X, W, B }, attrs) {
    const { window, spatial } = transposeWindow(X, W, attrs);
    const { kernel, strides, dilations, before } = window;
    // The Conv that this is the transpose of must give X's size exactly: what it cannot reach
    // is cropped, what it lacks is padded.
    const end = X.shape
      .slice(2)
      .map((s, i) => (s - 1) * strides[i]! + extent(kernel[i]!, dilations[i]!) - spatial[i]! - before[i]!);
    const fitted = g.padded(dy, [0, 0, ...before], [0, 0, ...end]);
    const plain: Window = { ...window, before: before.map(() => 0), after: before.map(() => 0) };
    return {
      X: () => g.Conv(fitted, W, { kernel_shape: kernel, strides, dilations, group: attrs.group }),
      W: () => convWeightGradient(g, fitted, X, plain, attrs.group),
      B: B && (() => g.summed(dy, [0, ...spatial.map((_, i) => i + 2)])),
    };
  },
  channels(c, { X, W, B }, [Y], { group }) {
    const into = c.axis(X, 1);
    const out = c.axis(Y!, 1);
    if (B) c.same(out, c.axis(B, 0));
    c.same(into, c.axis(W, 0));
    if (group === 1) {
      c.same(out, c.axis(W, 1));
    } else if (X.shape[1] === group) {
      c.same(into, out.blocks(out.length / group));
    } else {
      coupleSide(c, out, c.axis(W, 1), group);
      c.same(...Array.from({ length: group }, (_, k) => into.slice((k * into.length) / group, into.length / group)));
    }
    c.same(c.axis(X, 0), c.axis(Y!, 0));
  },
  resize: (remaining, { X }, _outputs, { group }) => ({
    attributes: group > 1 && X.shape[1] === group ? { group: remaining.axis(X, 1).length } : {},
  }),
  zero: ({ X, B }, { group }) => (B === undefined && group === X.shape[1] ? "any" : undefined),
  wholeGroupRemoval: (g, { X, W, B }, Y, _attributes, isZero) =>
    isZero(X) || isZero(W) ? biasAlone(g, B, Y) : undefined,
  macs: ({ X, W }) => sizeOf(X.shape) * sizeOf(W.shape.slice(1)),
  samples: [
    {
      inputs: [[2, 3, 4, 5], [3, 4, 3, 3], [4]],
      attributes: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
    },
    { inputs: [[2, 3, 4, 4], [3, 4, 2, 2], [4]], attributes: { strides: [2, 2] } },
    { inputs: [[1, 4, 3, 4], [4, 3, 3, 2], [6]], attributes: { group: 2, strides: [1, 3], dilations: [2, 1] } },
    { inputs: [[2, 3, 4, 4], [3, 2, 3, 3], [6]], attributes: { group: 3, pads: [0, 1, 2, 0] } },
    { inputs: [[2, 3, 4, 4], [3, 2, 3, 3], null], attributes: { strides: [2, 2], auto_pad: "SAME_UPPER" } },
    { inputs: [[2, 3, 4, 4], [3, 2, 3, 3], [2]], attributes: { strides: [2, 3], output_shape: [8, 11] } },
    { inputs: [[2, 3, 5], [3, 2, 1], [2]], attributes: { strides: [2] } },
    { inputs: [[2, 1, 4], [1, 3, 2], [3]] },
  ],
});
