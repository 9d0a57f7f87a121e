/** Shape arithmetic: what tracing computes from sizes, and the contradictions that it refuses. */

import { describe, expect, it } from "vitest";
import { int64s, sizeOf, tensor, toNumbers, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Op, Sample, Value } from "../../src/ops/core/define.ts";
import { createEmitter, emitNode, valueIn } from "../../src/ops/emitter.ts";
import type { OpName } from "../../src/ops/core/names.ts";
import { ops } from "../../src/ops/table.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { trace } from "../../src/passes/trace.ts";
import { newBuilder, runGraph } from "../support/graphs.ts";

const isTensor = (x: Shape | Tensor): x is Tensor => !Array.isArray(x);

/** Integers other than zero, of both signs. */
const counting = (shape: Shape): Tensor =>
  tensor(
    "int64",
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => (i + 2) * (i % 3 === 1 ? -1 : 1)),
  );

/** Of these floats positive ones: a root, and one of the variance. */
const ofPositive = new Set(["BatchNormalization", "Sqrt"]);
/** What the runtime approximates, or rounds in between. */
const rounded = new Set("BatchNormalization Elu HardSigmoid HardSwish LeakyRelu Sigmoid Softplus Tanh".split(" "));

type Kind = "int64" | "float32" | "bool";

/** Operators that take floats alone. */
const ofFloats = new Set(
  (
    "BatchNormalization Ceil Clip Dropout Elu Floor HardSigmoid HardSwish LeakyRelu Relu Round Sigmoid Softplus Sqrt " +
    "Tanh"
  ).split(" "),
);

/** What a sample can be computed of. */
function kindsOf(op: Op, { inputs, attributes, of }: Sample): readonly Kind[] {
  if (of) return [of];
  const tensors = inputs.filter((input) => input !== null && isTensor(input));
  if (ofFloats.has(op.name) || tensors.some(({ dtype }) => dtype === "float32")) return ["float32"];
  const many = inputs.some((input) => input !== null && !isTensor(input) && sizeOf(input) > 64);
  return many || (op.name === "Mod" && attributes?.["fmod"] !== 1) ? ["int64"] : ["int64", "float32"];
}

/** An input that follows from sizes. Floats are fractions of integers, as an initializer of floats could learn. */
function known(builder: GraphBuilder, op: Op, input: Shape | Tensor, kind: Kind): Value {
  const g = createEmitter(builder);
  const fraction = (whole: Tensor, part: number) => g.Mul(g.Cast(g.constant(whole), { to: 1 }), g.scalar(part));
  if (isTensor(input)) {
    if (input.dtype !== "float32") return g.constant(input);
    return fraction(
      tensor(
        "int64",
        input.shape,
        toNumbers(input).map((x) => Math.round(100 * x)),
      ),
      0.01,
    );
  }
  const whole = counting(input);
  if (kind === "bool")
    return g.constant(
      tensor(
        "bool",
        input,
        toNumbers(whole).map((x) => Number(x > 0)),
      ),
    );
  if (kind === "int64") return g.constant(whole);
  const quarters = fraction(whole, 0.25);
  return ofPositive.has(op.name) ? g.Abs(quarters) : quarters;
}

/** Exporters compute sizes with these. */
const arithmetic =
  "Abs Add And Cast Ceil Concat ConstantOfShape CumSum Div Equal Expand Flatten Floor Gather Greater GreaterOrEqual Identity Less " +
  "LessOrEqual Max Min Mod Mul Neg NonZero Not Or Range ReduceMax ReduceMin ReduceProd ReduceSum Reshape Round ScatterND Shape Sign Size " +
  "Slice Sqrt Squeeze Sub Tile Transpose Unsqueeze Where Xor";
/** Operators of which some samples are left to the runtime: other axes, floats, many elements, what learns. */
const partly = new Set(["BatchNormalization", "Dropout", "Cast", "Concat", "ConstantOfShape", "ScatterND", "Tile"]);

describe("fold", () => {
  it("covers the operators that sizes are computed with", () => {
    expect([...ops.values()].filter((op) => op.fold !== undefined).map((op) => op.name)).toEqual(
      expect.arrayContaining(arithmetic.split(" ")),
    );
  });

  for (const op of ops.values()) {
    if (op.fold === undefined) continue;
    it(`${op.name} while tracing is what the runtime computes`, async () => {
      let folded = 0;
      let tried = 0;
      for (const sample of op.samples)
        for (const kind of kindsOf(op, sample)) {
          const builder = newBuilder();
          const inputs = sample.inputs.map((input) => (input === null ? undefined : known(builder, op, input, kind)));
          const outputs = emitNode(builder, op.key as OpName, inputs, sample.attributes ?? {}, sample.outputs ?? 1);
          const graph = builder.finish(outputs.map((y) => y.name));
          const { constants } = trace(graph);
          const results = await runGraph(graph, {});
          tried++;
          for (const { name } of outputs) {
            const value = constants.get(name);
            if (value === undefined) continue;
            folded++;
            expect(value.dtype).toBe(results[name]!.dtype);
            expect(value.shape).toEqual(results[name]!.shape);
            const wanted = toNumbers(results[name]!);
            if (rounded.has(op.name)) {
              const apart = toNumbers(value).map(
                (x, i) => Math.abs(x - wanted[i]!) / Math.max(1, Math.abs(wanted[i]!)),
              );
              expect(Math.max(...apart)).toBeLessThan(1e-6);
            } else expect(toNumbers(value)).toEqual(wanted);
          }
        }
      if (partly.has(op.name)) expect(folded).toBeGreaterThan(0);
      else expect(folded).toBe(tried);
    });
  }

  it("leaves alone what depends on an input, and weights", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 3] }));
    const n = valueIn(builder, builder.input("n", { dtype: "int64", shape: [1] }));
    const size = g.Mul(g.Gather(g.Shape(x), g.constant(int64s([1]))), g.constant(int64s([5])));
    const weight = g.constant(
      tensor(
        "float32",
        [9],
        Array.from({ length: 9 }, () => 0.5),
      ),
    );
    const open = [
      g.Add(x, x),
      g.Mul(n, size),
      g.Mul(size, n),
      g.Gather(g.Shape(x), n),
      g.Concat(n, size, { axis: 0 }),
      g.Cast(n, { to: 6 }),
      g.Add(g.filled(1, [9]), g.filled(2, [9])),
      g.Mul(g.Cast(size, { to: 1 }), weight),
      g.Cast(weight, { to: 7 }),
      g.Greater(weight, g.scalar(0)),
      g.Expand(g.scalar(1), g.ints([65])),
      g.Expand(g.ints([1]), g.ints([4097])),
      g.Max(g.Shape(g.Expand(x, g.constant(int64s([1, 2, 3])))), n),
    ];
    const edge = [g.Expand(g.scalar(1), g.ints([64])), g.Expand(g.ints([1]), g.ints([4096])), g.Shape(weight)];
    const { constants } = trace(builder.finish([size, ...open, ...edge].map((value) => value.name)));
    expect(toNumbers(constants.get(size.name)!)).toEqual([15]);
    for (const value of open) expect(constants.has(value.name), value.name).toBe(false);
    for (const value of edge) expect(constants.has(value.name), value.name).toBe(true);
  });

  it("does not compute what the runtime would give another number for", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const most = { dtype: "int64", shape: [1], data: BigInt64Array.of(2n ** 63n - 1n) } as const;
    const far = g.constant(most);
    const part = g.Cast(g.ints([1, 0, -3]), { to: 1 });
    const open = [
      g.Max(far, g.ints([3])),
      g.Mod(g.ints([3]), g.ints([0])),
      g.Div(g.ints([3]), g.ints([0])),
      g.Div(part, g.scalar(0)),
      g.Sqrt(part),
      g.Cast(g.Mul(part, g.scalar(1e19)), { to: 7 }),
      g.Cast(g.Mul(g.Cast(g.ints([1]), { to: 1 }), g.scalar(2 ** 31)), { to: 6 }),
      g.Cast(part, { to: 3 }),
      g.Cast(part, { to: 10 }),
    ];
    const kept = g.Min(far, g.ints([3]));
    const least = g.Cast(g.Mul(part, g.scalar(-(2 ** 29))), { to: 6 });
    const { constants } = trace(builder.finish([kept, least, ...open].map((value) => value.name)));
    expect(toNumbers(constants.get(kept.name)!)).toEqual([3]);
    expect(toNumbers(constants.get(least.name)!)).toEqual([-(2 ** 29), 0, 3 * 2 ** 29]);
    for (const value of open) expect(constants.has(value.name), value.name).toBe(false);
  });

  it("follows sizes that are scaled on the way: they become constants, and floats are no new weights", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 3, 10] }));
    const sizes = g.Cast(g.Slice(g.Shape(x), g.ints([2]), g.ints([3])), { to: 1 });
    const scaled = g.Floor(g.Div(sizes, g.scalar(4)));
    const target = g.Concat(g.ints([2, 3]), g.Cast(scaled, { to: 7 }), g.ints([-1]), { axis: 0 });
    const parts = g.Sqrt(g.Reshape(sizes, g.ints([])));
    // The builder knows initializers alone, so that the shape has to be stated.
    const types = [{ dtype: "float32", shape: [2, 3, 2, 5] } as const];
    const [reshaped] = builder.append("Reshape", [x.name, target.name], {}, types);
    const y = g.Mul(g.Mul(valueIn(builder, reshaped!), parts), scaled);
    const graph = builder.finish([y.name]);
    const { nodes, initializers } = normalise(graph);
    const reshape = nodes.find(({ op, inputs }) => op === "Reshape" && inputs[0] === x.name);
    expect(toNumbers(initializers.get(reshape!.inputs[1]!)!)).toEqual([2, 3, 2, -1]);
    expect(toNumbers(initializers.get(parts.name)!)).toEqual([Math.fround(Math.sqrt(10))]);
    expect(initializers.has(scaled.name)).toBe(false);
    expect(nodes.flatMap(({ outputs }) => outputs)).toContain(scaled.name);
  });
});

describe("nodes that contradict their inputs are refused", () => {
  const cases: readonly [OpName, readonly (Shape | Tensor)[], Record<string, unknown>, RegExp][] = [
    [
      "Conv",
      [
        [2, 3],
        [4, 3],
      ],
      {},
      /same rank/,
    ],
    [
      "Conv",
      [
        [2, 3, 5],
        [4, 3, 3, 3],
      ],
      {},
      /same rank/,
    ],
    [
      "Conv",
      [
        [2, 3, 5, 5],
        [4, 2, 3, 3],
      ],
      {},
      /input of 3 channels/,
    ],
    [
      "Conv",
      [
        [2, 4, 5, 5],
        [3, 2, 3, 3],
      ],
      { group: 2 },
      /group 2/,
    ],
    [
      "Conv",
      [
        [2, 3, 2, 5],
        [4, 3, 3, 3],
      ],
      {},
      /does not fit into/,
    ],
    [
      "ConvTranspose",
      [
        [2, 3, 4],
        [4, 3, 3],
      ],
      {},
      /input of 3 channels/,
    ],
    ["MaxPool", [[2, 3, 4, 4]], { kernel_shape: [2] }, /kernel of rank 1/],
    [
      "Gemm",
      [
        [2, 3],
        [4, 3],
      ],
      {},
      /do not multiply/,
    ],
    [
      "Gemm",
      [
        [2, 3, 4],
        [4, 3],
      ],
      {},
      /do not multiply/,
    ],
    [
      "Gemm",
      [
        [2, 3],
        [3, 4, 2],
      ],
      {},
      /do not multiply/,
    ],
    [
      "MatMul",
      [
        [2, 3],
        [4, 3],
      ],
      {},
      /do not multiply/,
    ],
    ["MatMul", [[], [3]], {}, /do not multiply/],
    ["MatMul", [[], []], {}, /do not multiply/],
    ["MatMul", [[3], []], {}, /do not multiply/],
    ["Add", [[2, 3], [4]], {}, /do not broadcast/],
    ["BatchNormalization", [[2, 3, 4], [4], [4], [4], [4]], {}, /does not fit 3 channels/],
    ["Reshape", [[2, 3], int64s([4, 2])], {}, /does not reshape/],
    ["Reshape", [[2, 3], int64s([4, -1])], {}, /does not reshape/],
    [
      "Concat",
      [
        [2, 3],
        [3, 3],
      ],
      { axis: 1 },
      /does not join/,
    ],
    [
      "Concat",
      [
        [2, 3],
        [2, 3, 1],
      ],
      { axis: 1 },
      /does not join/,
    ],
  ];
  it.each(cases)("%s (case %#)", (name, shapes, attributes, message) => {
    const builder = newBuilder();
    const inputs = shapes.map((input, i) =>
      isTensor(input)
        ? valueIn(builder, builder.constant(input))
        : valueIn(builder, builder.input(`x${i}`, { dtype: "float32", shape: input })),
    );
    expect(() => emitNode(builder, name, inputs, attributes, 1)).toThrow(message);
  });

  const unsupported: readonly [OpName, readonly Shape[], RegExp][] = [
    ["Reshape", [[6], [2]], /computed from data/],
    ["Expand", [[6], [2]], /computed from data/],
    ["Squeeze", [[1, 6], [1]], /not a constant/],
    ["ReduceSum", [[1, 6], [1]], /not a constant/],
  ];
  it.each(unsupported)("%s with sizes that are data is not supported", (name, [data, sizes], message) => {
    const builder = newBuilder();
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: data! }));
    const n = valueIn(builder, builder.input("n", { dtype: "int64", shape: sizes! }));
    expect(() => emitNode(builder, name, [x, n], {}, 1)).toThrow(message);
  });
});
