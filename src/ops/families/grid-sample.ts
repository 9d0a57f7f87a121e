/** Sampling of images at places that are computed. */

import { fail } from "../../graph/error.ts";
import { sizeOf, tensor } from "../../graph/tensor.ts";
import { defineOp, given, int, string, type Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";
import { cartesian } from "../gradients/geometry.ts";

interface Attributes {
  readonly align_corners: number;
  readonly mode: string;
  readonly padding_mode: string;
}

/** Mirrors coordinates at two ends as often as it takes. */
function reflected(g: Emit, x: Value, low: number, span: number): Value {
  if (span === 0) return g.Mul(x, g.scalar(0, x));
  const from = g.Sub(x, g.scalar(low, x));
  const times = g.Floor(g.Mul(from, g.scalar(1 / (2 * span), x)));
  const within = g.Sub(from, g.Mul(times, g.scalar(2 * span, x)));
  const distance = g.Abs(g.Sub(within, g.scalar(span, x)));
  return g.Sub(g.scalar(low + span, x), distance);
}

/** Where along an axis of `size` pixels the coordinates of the grid lie, in pixels. */
function placesAlong(g: Emit, x: Value, size: number, { align_corners, padding_mode }: Attributes): Value {
  const one = g.scalar(1, x);
  const half = g.scalar(align_corners ? (size - 1) / 2 : size / 2, x);
  const scaled = g.Mul(g.Add(x, one), half);
  const place = align_corners ? scaled : g.Sub(scaled, g.scalar(0.5, x));
  if (padding_mode !== "reflection") return place;
  return align_corners ? reflected(g, place, 0, size - 1) : reflected(g, place, -0.5, size);
}

/** One pixel along an axis that a place takes from, and how much of it; no amount where it is all. */
interface Tap {
  readonly pixel: Value;
  readonly amount?: Value;
}

function tapsAlong(g: Emit, place: Value, mode: string): Tap[] {
  if (mode === "nearest") return [{ pixel: g.Round(place) }];
  const below = g.Floor(place);
  const above = g.Add(below, g.scalar(1, place));
  return [
    { pixel: below, amount: g.Sub(above, place) },
    { pixel: above, amount: g.Sub(place, below) },
  ];
}

/**
 * https://onnx.ai/onnx/operators/onnx__GridSample.html — Y[n, c, o] is X[n, c] at the place that grid[n, o] gives, with
 * a coordinate from -1 to 1 for each axis of space, the last axis first
 */
export const GridSample = defineOp({
  name: "GridSample",
  since: 22,
  inputs: ["X", "grid"],
  attributes: { align_corners: int(0), mode: string("linear"), padding_mode: string("zeros") },
  shape({ X, grid }, { mode, padding_mode }) {
    const space = X.shape.length - 2;
    if (
      space < 1 ||
      grid.shape.length !== X.shape.length ||
      grid.shape.at(-1) !== space ||
      grid.shape[0] !== X.shape[0]
    )
      fail("bad-model", `a grid of [${grid.shape.join(", ")}] has no places in an input of [${X.shape.join(", ")}]`);
    if (!["linear", "nearest", "cubic"].includes(mode)) fail("bad-model", `its mode "${mode}" is not known`);
    if (!["zeros", "border", "reflection"].includes(padding_mode))
      fail("bad-model", `its padding_mode "${padding_mode}" is not known`);
    return [X.shape[0]!, X.shape[1]!, ...grid.shape.slice(1, -1)];
  },
  dtype: ({ X }) => X.dtype,
  gradient: "decompose",
  channels(c, { X, grid }, [Y]) {
    c.same(c.axis(X, 1), c.axis(Y!, 1));
    c.same(c.axis(X, 0), c.axis(grid, 0), c.axis(Y!, 0));
  },
  zero: "any",
  decompose(g, { X, grid }, attributes) {
    const { mode, padding_mode } = attributes;
    if (mode === "cubic") fail("unsupported", 'the gradient of mode "cubic" is not known');
    const [batch, channels, ...space] = X.shape as [number, number, ...number[]];
    const outside = grid.shape.slice(1, -1);
    const count = sizeOf(outside);
    const pixels = g.transposed(g.reshaped(X, [batch, channels, sizeOf(space)]), [0, 2, 1]);
    const taps = space.map((size, axis) => {
      const index = g.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(space.length - 1 - axis)) });
      const along = g.reshaped(g.Gather(grid, index, { axis: grid.shape.length - 1 }), [batch, count]);
      return tapsAlong(g, placesAlong(g, along, size, attributes), mode);
    });
    const terms = cartesian(taps.map(({ length }) => length)).map((chosen) => {
      let flat: Value | undefined;
      let amount: Value | undefined;
      const times = (factor: Value): void => void (amount = amount ? g.Mul(amount, factor) : factor);
      chosen.forEach((which, axis) => {
        const { pixel, amount: own } = taps[axis]![which]!;
        const inside = g.Clip(pixel, g.scalar(0, pixel), g.scalar(space[axis]! - 1, pixel));
        const index = g.Cast(inside, { to: 7 });
        flat = flat ? g.Add(g.Mul(flat, g.ints([space[axis]!])), index) : index;
        if (own) times(own);
        if (padding_mode === "zeros") times(g.Cast(g.Equal(pixel, inside), { to: 1 }));
      });
      const taken = g.GatherND(pixels, g.reshaped(flat!, [batch, count, 1]), { batch_dims: 1 });
      return amount ? g.Mul(taken, g.reshaped(amount, [batch, count, 1])) : taken;
    });
    const sum = terms.reduce((one, other) => g.Add(one, other));
    return [g.reshaped(g.transposed(sum, [0, 2, 1]), [batch, channels, ...outside])];
  },
  // Ranges that keep places off the edges of pixels.
  samples: [
    { inputs: given([2, 3, 4, 5], [2, 3, 2, 2]), range: [-1.75, 1.85] },
    { inputs: given([2, 3, 4, 5], [2, 3, 2, 2]), range: [-1.9, 1.7], attributes: { padding_mode: "border" } },
    {
      inputs: given([2, 3, 4, 5], [2, 3, 2, 2]),
      range: [-1.46, 1.46],
      attributes: { padding_mode: "reflection", align_corners: 1 },
    },
    { inputs: given([2, 3, 4, 5], [2, 3, 2, 2]), range: [-1.9, 1.7], attributes: { padding_mode: "reflection" } },
    {
      inputs: [[2, 3, 4, 5], tensor("float32", [2, 1, 2, 2], [0.1, 0.4, -0.7, 1.2, -0.2, 0.8, 0.9, -1.6])],
      attributes: { mode: "nearest", align_corners: 1 },
    },
    {
      inputs: [[2, 3, 4, 5], tensor("float32", [2, 1, 2, 2], [0.1, 0.45, -0.7, 1.3, -0.25, 0.8, 0.9, -1.7])],
      attributes: { mode: "nearest", padding_mode: "border" },
    },
    { inputs: given([1, 2, 3, 2, 4], [1, 2, 2, 1, 3]), range: [-1.5, 1.5] },
  ],
});
