/** Interpolation. */

import { fail } from "../../graph/error.ts";
import { float32, int64s, sizeOf, toNumbers } from "../../graph/tensor.ts";
import { defineOp, float, int, ints, string, type Value, type Values } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";
import { integers, numbers, positive } from "../core/indexing.ts";

const attributes = {
  antialias: int(0),
  axes: ints(),
  coordinate_transformation_mode: string("half_pixel"),
  cubic_coeff_a: float(-0.75),
  exclude_outside: int(0),
  extrapolation_value: float(0),
  keep_aspect_ratio_policy: string("stretch"),
  mode: string("nearest"),
  nearest_mode: string("round_prefer_floor"),
};
type Attributes = Values<typeof attributes>;

interface Inputs {
  readonly X: Value;
  readonly roi?: Value | undefined;
  readonly scales?: Value | undefined;
  readonly sizes?: Value | undefined;
}

/** What happens along one axis. */
interface Along {
  readonly size: number;
  readonly scale: number;
  /** Whether the axis stays as it is: its scale is 1, and nothing else is asked for. */
  readonly stays: boolean;
}

const isGiven = (value: Value | undefined): value is Value => value !== undefined && sizeOf(value.shape) > 0;

/** The axes that `scales` and `sizes` speak of, in their order. */
const axesOf = ({ X }: Inputs, { axes }: Attributes): number[] =>
  axes ? axes.map((axis) => positive(axis, X.shape.length)) : X.shape.map((_, i) => i);

/** Sizes and scales along all axes, in the 32-bit arithmetic of the runtime. */
function alongAxes(inputs: Inputs, attrs: Attributes): Along[] {
  const { X, scales, sizes } = inputs;
  if (attrs.coordinate_transformation_mode === "tf_crop_and_resize")
    fail("unsupported", 'its coordinate_transformation_mode "tf_crop_and_resize" is not known');
  const along: Along[] = X.shape.map((size) => ({ size, scale: 1, stays: true }));
  const axes = axesOf(inputs, attrs);
  const given = isGiven(scales)
    ? scales
    : isGiven(sizes)
      ? sizes
      : fail("bad-model", "it has neither scales nor sizes");
  // onnxruntime aborts on others, and not with an error.
  if (given.shape.length !== 1) fail("bad-model", `"${given.name}" [${given.shape.join(", ")}] is no list`);
  if (isGiven(scales) && isGiven(sizes)) fail("bad-model", "it has both scales and sizes");
  const wanted = given === scales ? numbers(given) : integers(given);
  if (wanted.length !== axes.length)
    fail("bad-model", `"${given.name}" has ${wanted.length} numbers for ${axes.length} axes`);
  const ratios = axes.map((axis, i) => Math.fround(given === scales ? wanted[i]! : wanted[i]! / X.shape[axis]!));
  const policy = given === scales ? "stretch" : attrs.keep_aspect_ratio_policy;
  const common =
    policy === "not_larger" ? Math.min(...ratios) : policy === "not_smaller" ? Math.max(...ratios) : undefined;
  axes.forEach((axis, i) => {
    const dim = X.shape[axis]!;
    const scale = common ?? ratios[i]!;
    const scaled = Math.fround(scale * dim);
    const size = given === scales ? Math.trunc(scaled) : common === undefined ? wanted[i]! : Math.round(scaled);
    along[axis] = { size, scale, stays: scale === 1 && (given === scales || wanted[i] === dim) };
  });
  return along;
}

/** Whether an axis that grows by a whole factor repeats every element that often. */
const repeats = ({ mode, nearest_mode, coordinate_transformation_mode: map }: Attributes): boolean =>
  mode === "nearest" &&
  (map === "asymmetric" ? nearest_mode === "floor" : /half_pixel/.test(map) && nearest_mode.startsWith("round"));

/**
 * The matrix [size, new size] of an axis: what the operator makes of the rows of the identity. The runtime computes it
 * once, when it loads the graph, by the very formulas of the forward pass.
 */
function matrixOf(g: Emit, dim: number, { size, scale }: Along, inputs: Inputs, attrs: Attributes): Value {
  const identity = new Float32Array(dim * dim);
  for (let i = 0; i < dim; i++) identity[i * dim + i] = 1;
  const rows = g.constant(float32([1, 1, dim, dim], identity));
  const stretched = !isGiven(inputs.scales) && attrs.keep_aspect_ratio_policy === "stretch";
  if (!stretched && Math.trunc(Math.fround(scale * dim)) !== size)
    fail(
      "unsupported",
      `its gradient is not known where the kept aspect ratio rounds ${(scale * dim).toFixed(2)} up to ${size}`,
    );
  const resized = g.Resize(
    rows,
    undefined,
    stretched ? undefined : g.constant(float32([4], [1, 1, 1, scale])),
    stretched ? g.ints([1, 1, dim, size]) : undefined,
    { ...attrs, axes: undefined, keep_aspect_ratio_policy: "stretch" },
  );
  return g.reshaped(resized, [dim, size]);
}

/** The product of a matrix [m, n] with every column along an axis of size n. */
function multiplyAlong(g: Emit, matrix: Value, x: Value, axis: number): Value {
  const [m, n] = matrix.shape as [number, number];
  const [outer, inner] = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis + 1))];
  const product =
    inner === 1
      ? g.Gemm(g.reshaped(x, [outer, n]), matrix, { transB: 1 })
      : g.MatMul(matrix, g.reshaped(x, [outer, n, inner]));
  return g.reshaped(product, x.shape.with(axis, m));
}

/**
 * https://onnx.ai/onnx/operators/onnx__Resize.html — linear, and along each axis a product with a matrix M: Y = M X, dX
 * = Mᵀ dY. Where every element is repeated, Mᵀ sums the copies.
 */
export const Resize = defineOp({
  name: "Resize",
  since: 19,
  inputs: ["X", "roi?", "scales?", "sizes?"],
  attributes,
  shape: (inputs, attrs) => alongAxes(inputs, attrs).map(({ size }) => size),
  gradient: (g, dy, inputs, attrs) => ({
    X: () => {
      const { shape } = inputs.X;
      return alongAxes(inputs, attrs).reduce((d, one, axis) => {
        const dim = shape[axis]!;
        const { size, scale } = one;
        if (scale === 1) return d;
        if (repeats(attrs) && Number.isInteger(scale) && size === scale * dim)
          return g.summed(g.reshaped(d, d.shape.toSpliced(axis, 1, dim, scale)), [axis + 1]);
        return multiplyAlong(g, matrixOf(g, dim, one, inputs, attrs), d, axis);
      }, dy);
    },
  }),
  channels: (c, inputs, [Y], attrs) =>
    alongAxes(inputs, attrs).forEach(({ stays }, i) => stays && c.same(c.axis(inputs.X, i), c.axis(Y!, i))),
  zero: "any",
  resize(remaining, inputs, _outputs, attrs) {
    if (isGiven(inputs.scales)) return {};
    const along = alongAxes(inputs, attrs);
    const axes = axesOf(inputs, attrs);
    const sizes = toNumbers(inputs.sizes!.constant!);
    return {
      inputs: {
        sizes: int64s(axes.map((axis, i) => (along[axis]!.stays ? remaining.axis(inputs.X, axis).length : sizes[i]!))),
      },
    };
  },
  samples: [
    { inputs: [[2, 3, 2, 3], null, float32([4], [1, 1, 2, 3])] },
    {
      inputs: [[2, 3, 3, 2], null, float32([4], [1, 1, 2, 2])],
      attributes: { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    },
    {
      inputs: [[1, 2, 3, 4], null, float32([4], [1, 1, 2, 1.7])],
      attributes: { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    },
    {
      inputs: [[1, 2, 3, 4], null, float32([4], [1, 1, 2, 3])],
      attributes: { coordinate_transformation_mode: "asymmetric" },
    },
    {
      inputs: [[2, 3, 4, 5], null, null, int64s([2, 3, 8, 3])],
      attributes: { nearest_mode: "round_prefer_ceil", coordinate_transformation_mode: "align_corners" },
    },
    {
      inputs: [[2, 3, 4, 5], float32([0], []), float32([0], []), int64s([2, 3, 2, 9])],
      attributes: { mode: "linear" },
    },
    { inputs: [[2, 3, 4, 5], null, null, int64s([8, 3])], attributes: { axes: [2, 3], nearest_mode: "floor" } },
    { inputs: [[2, 3, 4], null, float32([1], [2]), null], attributes: { axes: [1], nearest_mode: "ceil" } },
    { inputs: [[2, 3, 4, 3], null, float32([4], [1, 1, 2, 1.5])], attributes: { mode: "linear" } },
    {
      inputs: [[2, 3, 4, 5], null, null, int64s([2, 3, 7, 3])],
      attributes: { mode: "linear", coordinate_transformation_mode: "align_corners" },
    },
    {
      inputs: [[1, 2, 5, 4], null, null, int64s([3, 1])],
      attributes: { mode: "linear", axes: [3, 2], coordinate_transformation_mode: "pytorch_half_pixel" },
    },
    {
      inputs: [[1, 2, 5, 4], null, float32([4], [1, 1, 0.7, 1.4])],
      attributes: { mode: "linear", coordinate_transformation_mode: "half_pixel_symmetric" },
    },
    {
      inputs: [[1, 2, 7, 6], null, float32([4], [1, 1, 0.4, 0.5])],
      attributes: { mode: "linear", antialias: 1, exclude_outside: 1 },
    },
    { inputs: [[2, 3], null, float32([2], [2, 3])] },
    { inputs: [[2, 3, 5], null, float32([3], [1, 1, 2.5])], attributes: { mode: "linear" } },
    { inputs: [[1, 2, 2, 3, 2], null, float32([5], [1, 1, 2, 1.5, 2])], attributes: { mode: "linear" } },
    {
      inputs: [[1, 2, 4, 5], null, float32([4], [1, 1, 1.6, 0.8])],
      attributes: { mode: "cubic", cubic_coeff_a: -0.5 },
    },
    {
      inputs: [[1, 2, 4, 5], null, null, int64s([1, 2, 6, 7])],
      attributes: { mode: "cubic", exclude_outside: 1, coordinate_transformation_mode: "asymmetric" },
    },
    { inputs: [[1, 2, 6, 5], null, null, int64s([1, 2, 3, 3])], attributes: { mode: "cubic", antialias: 1 } },
    {
      inputs: [[2, 3, 4, 5], null, null, int64s([8, 9])],
      attributes: { axes: [2, 3], keep_aspect_ratio_policy: "not_larger", mode: "linear" },
    },
    {
      inputs: [[2, 3, 4, 5], null, null, int64s([5, 6])],
      attributes: { axes: [2, 3], keep_aspect_ratio_policy: "not_smaller" },
    },
    {
      inputs: [[2, 3, 4, 5], null, null, int64s([2, 3, 8, 5])],
      attributes: { keep_aspect_ratio_policy: "not_larger" },
    },
  ],
});
