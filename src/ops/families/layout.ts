/** Operators that give the same elements another shape or order. */

import { fail } from "../../graph/error.ts";
import { sizeOf, tensor, toNumbers, type NumericDType, type Shape, type Tensor } from "../../graph/tensor.ts";
import type { Channels } from "../core/channels.ts";
import { defineOp, int, ints, type Remaining, type Value } from "../core/define.ts";
import { coupleAll } from "../core/elementwise.ts";
import { cartesian } from "../gradients/geometry.ts";
import { integers, positive } from "../core/indexing.ts";

const int64 = (values: readonly number[]): Tensor => tensor("int64", [values.length], values);
/** The elements of a constant in another shape. */
const sameData = (x: Value, shape: Shape): Tensor[] | undefined => x.constant && [{ ...x.constant, shape }];

/**
 * How axes couple when the row-major order of the elements stays: axes are matched in the shortest runs of equal size.
 * Within a run the axes of both sides are written in common digits, and any one digit goes together.
 */
export function coupleReshape(c: Channels, x: Value, y: Value): void {
  for (const [xs, ys] of matchRuns(x.shape, y.shape)) {
    if (xs.length === 1 && ys.length === 1) {
      c.same(c.axis(x, xs[0]!), c.axis(y, ys[0]!));
      continue;
    }
    const digits = commonDigits(
      xs.map((i) => x.shape[i]!),
      ys.map((i) => y.shape[i]!),
    );
    if (digits)
      c.either(
        digits.map(({ size, at: [a, b], inner: [innerA, innerB] }) => [
          c.axis(x, xs[a]!).digit(size, innerA),
          c.axis(y, ys[b]!).digit(size, innerB),
        ]),
      );
  }
}

interface Digit {
  readonly size: number;
  /** The axis on either side that the digit belongs to, and the product of the digits behind it there. */
  readonly at: readonly [number, number];
  readonly inner: readonly [number, number];
}

/** Two lists of sizes of one product in digits that both share, outermost first; `undefined` where none are. */
function commonDigits(x: Shape, y: Shape): Digit[] | undefined {
  const digits: Digit[] = [];
  let [i, j] = [x.length - 1, y.length - 1];
  let [a, b] = [x[i]!, y[j]!];
  let [innerA, innerB] = [1, 1];
  while (i >= 0 && j >= 0) {
    const size = Math.min(a, b);
    if (a % size !== 0 || b % size !== 0) return undefined;
    if (size > 1) digits.unshift({ size, at: [i, j], inner: [innerA, innerB] });
    [a, b, innerA, innerB] = [a / size, b / size, innerA * size, innerB * size];
    if (a === 1) [a, innerA] = [x[--i] ?? 1, 1];
    if (b === 1) [b, innerB] = [y[--j] ?? 1, 1];
  }
  return digits;
}

/** Pairs of runs of axes with equal products, axes of size 1 left out. */
function matchRuns(x: Shape, y: Shape): [number[], number[]][] {
  const runs: [number[], number[]][] = [];
  const axes = (shape: Shape) => shape.flatMap((dim, i) => (dim === 1 ? [] : [i]));
  const [xs, ys] = [axes(x), axes(y)];
  let i = 0;
  let j = 0;
  while (i < xs.length && j < ys.length) {
    const run: [number[], number[]] = [[xs[i]!], [ys[j]!]];
    let [left, right] = [x[xs[i++]!]!, y[ys[j++]!]!];
    while (left !== right) {
      if (left < right ? i >= xs.length : j >= ys.length) return runs;
      if (left < right) {
        run[0].push(xs[i]!);
        left *= x[xs[i++]!]!;
      } else {
        run[1].push(ys[j]!);
        right *= y[ys[j++]!]!;
      }
    }
    runs.push(run);
  }
  return runs;
}

/** https://onnx.ai/onnx/operators/onnx__Reshape.html — 0 copies a size of the input, -1 is inferred */
export const Reshape = defineOp({
  name: "Reshape",
  since: 21,
  inputs: ["data", "shape"],
  outputs: ["reshaped"],
  attributes: { allowzero: int(0) },
  shape({ data, shape }, { allowzero }) {
    if (shape.constant === undefined)
      fail("unsupported", `its target shape "${shape.name}" is computed from data, not from sizes`);
    const wanted = integers(shape).map((n, i) => (n === 0 && !allowzero ? (data.shape[i] ?? 1) : n));
    const known = wanted.reduce((n, dim) => (dim === -1 ? n : n * dim), 1);
    const total = sizeOf(data.shape);
    const result = wanted.map((n) => (n === -1 ? total / known : n));
    if (sizeOf(result) !== total || !result.every(Number.isInteger))
      fail("bad-model", `[${data.shape.join(", ")}] does not reshape to [${wanted.join(", ")}]`);
    return result;
  },
  gradient: (g, dy, { data }) => ({ data: () => g.reshaped(dy, data.shape) }),
  channels: (c, { data }, [y]) => coupleReshape(c, data, y!),
  zero: "any",
  view: true,
  resize(remaining, { data, shape }, [y]) {
    const after = y!.shape.map((_, i) => remaining.axis(y!, i).length);
    const loses = (i: number): boolean => after[i]! < y!.shape[i]!;
    // What reads a file, such as onnxruntime's optimiser of transformers, looks for the number of heads
    // here, and takes the former one where it is inferred. Where heads become narrower it would scale by
    // their new width: there it shall find none.
    const runs = matchRuns(data.shape, y!.shape).map(([, axes]) => axes);
    const heads = new Set(runs.filter((axes) => axes.some(loses) && !loses(axes.at(-1)!)).flat());
    const isStated = (n: number, i: number): boolean => n > 0 || (n === -1 && heads.has(i) && remaining.settled(y!, i));
    const sizes = toNumbers(shape.constant!).map((n, i) => (isStated(n, i) ? after[i]! : n));
    return { inputs: { shape: int64(sizes) } };
  },
  fold: ({ data }, _attributes, [y]) => sameData(data, y!.shape),
  samples: [
    { inputs: [[2, 3, 4], int64([2, 12])] },
    { inputs: [[2, 12], int64([0, 3, -1])] },
    { inputs: [[2, 6, 4], int64([2, 2, 3, 2, 2])] },
    { inputs: [[4, 3, 2], int64([-1])] },
    { inputs: [[2, 3, 4], int64([3, 8])] },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Flatten.html — to a matrix, split before `axis` */
export const Flatten = defineOp({
  name: "Flatten",
  since: 21,
  inputs: ["input"],
  attributes: { axis: int(1) },
  shape({ input }, { axis }) {
    const rank = input.shape.length;
    // Unlike elsewhere it may lie behind the last axis.
    const at = axis === rank ? rank : positive(axis, rank);
    return [sizeOf(input.shape.slice(0, at)), sizeOf(input.shape.slice(at))];
  },
  gradient: (g, dy, { input }) => ({ input: () => g.reshaped(dy, input.shape) }),
  channels: (c, { input }, [y]) => coupleReshape(c, input, y!),
  zero: "any",
  view: true,
  fold: ({ input }, _attributes, [y]) => sameData(input, y!.shape),
  samples: [
    { inputs: [[2, 3, 4, 2]] },
    { inputs: [[2, 3, 4]], attributes: { axis: 2 } },
    { inputs: [[2, 3, 4]], attributes: { axis: -1 } },
    { inputs: [[2, 3, 4]], attributes: { axis: 0 } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Transpose.html — axes are reversed where `perm` is not given */
export const Transpose = defineOp({
  name: "Transpose",
  since: 21,
  carries: true,
  inputs: ["data"],
  attributes: { perm: ints() },
  shape({ data: { shape } }, { perm = reversed(shape) }) {
    if (perm.length !== shape.length || !shape.every((_, axis) => perm.includes(axis)))
      fail("bad-model", `perm [${perm.join(", ")}] is no order of the axes of [${shape.join(", ")}]`);
    return perm.map((axis) => shape[axis]!);
  },
  gradient: (g, dy, { data }, { perm }) => ({
    data: () => {
      const order = perm ?? reversed(data.shape);
      return g.transposed(
        dy,
        order.map((_, i) => order.indexOf(i)),
      );
    },
  }),
  channels(c, { data }, [y], { perm }) {
    (perm ?? reversed(data.shape)).forEach((from, to) => c.same(c.axis(data, from), c.axis(y!, to)));
  },
  zero: "any",
  fold({ data }, { perm }, [y]) {
    if (data.constant === undefined) return undefined;
    const order = perm ?? reversed(data.shape);
    const strides = data.shape.map((_, i) => sizeOf(data.shape.slice(i + 1)));
    const values = toNumbers(data.constant);
    const moved = cartesian(y!.shape).map(
      (at) => values[at.reduce((flat, i, axis) => flat + i * strides[order[axis]!]!, 0)]!,
    );
    return [tensor(data.dtype as NumericDType, y!.shape, moved)];
  },
  samples: [
    { inputs: [[2, 3, 4]] },
    { inputs: [[2, 3, 4]], attributes: { perm: [1, 2, 0] } },
    { inputs: [[2, 3, 4, 5]], attributes: { perm: [0, 2, 3, 1] } },
  ],
});

const reversed = (shape: Shape): number[] => shape.map((_, i) => shape.length - 1 - i);

const axesOf = (axes: Value, rank: number): number[] => {
  if (axes.constant === undefined) fail("unsupported", `its axes "${axes.name}" are not a constant`);
  return integers(axes).map((axis) => positive(axis, rank));
};

/** https://onnx.ai/onnx/operators/onnx__Squeeze.html */
export const Squeeze = defineOp({
  name: "Squeeze",
  since: 21,
  inputs: ["data", "axes?"],
  shape({ data, axes }) {
    const gone = axes && axesOf(axes, data.shape.length);
    return data.shape.filter((dim, i) => (gone ? !gone.includes(i) : dim !== 1));
  },
  gradient: (g, dy, { data }) => ({ data: () => g.reshaped(dy, data.shape) }),
  channels: (c, { data }, [y]) => coupleReshape(c, data, y!),
  zero: "any",
  view: true,
  // Without axes, one that is cut to a single element would vanish too.
  resize: (_remaining, { data, axes }) =>
    axes ? {} : { inputs: { axes: int64(data.shape.flatMap((dim, i) => (dim === 1 ? [i] : []))) } },
  fold: ({ data }, _attributes, [y]) => sameData(data, y!.shape),
  samples: [
    { inputs: [[2, 1, 3, 1], int64([1])] },
    { inputs: [[2, 1, 3, 1], int64([-1, 1])] },
    { inputs: [[1, 3, 1, 2]] },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Unsqueeze.html */
export const Unsqueeze = defineOp({
  name: "Unsqueeze",
  since: 21,
  inputs: ["data", "axes"],
  shape({ data, axes }) {
    const rank = data.shape.length + (axes.constant?.data.length ?? 0);
    const added = axesOf(axes, rank);
    if (new Set(added).size < added.length) fail("bad-model", `axes [${added.join(", ")}] name one axis twice`);
    const rest = [...data.shape];
    return Array.from({ length: rank }, (_, i) => (added.includes(i) ? 1 : rest.shift()!));
  },
  gradient: (g, dy, { data }) => ({ data: () => g.reshaped(dy, data.shape) }),
  channels: (c, { data }, [y]) => coupleReshape(c, data, y!),
  zero: "any",
  view: true,
  fold: ({ data }, _attributes, [y]) => sameData(data, y!.shape),
  samples: [{ inputs: [[2, 3], int64([1])] }, { inputs: [[2, 3], int64([0, -1])] }],
});

/** https://onnx.ai/onnx/operators/onnx__Identity.html */
export const Identity = defineOp({
  name: "Identity",
  since: 21,
  inputs: ["input"],
  shape: ({ input }) => input.shape,
  gradient: (_g, dy) => ({ input: () => dy }),
  channels: (c, { input }, [y]) => coupleAll(c, input, y!),
  zero: "any",
  view: true,
  fold: ({ input }) => sameData(input, input.shape),
  decompose: (_g, { input }) => [input],
  samples: [{ inputs: [[2, 3]] }],
});

/** The kept sizes of a value where a constant states them one for each axis; entries that are not sizes stay. */
export function remainingSizes(
  remaining: Remaining,
  value: Value,
  stated: readonly number[],
  isSize: (n: number) => boolean,
): Tensor {
  const lead = value.shape.length - stated.length;
  return int64(stated.map((n, i) => (isSize(n) ? remaining.axis(value, i + lead).length : n)));
}
