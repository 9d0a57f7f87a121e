/** Shape arithmetic: what tracing computes from sizes, and the contradictions that it refuses. */

import { describe, expect, it } from "vitest";
import { int64s, sizeOf, tensor, toNumbers, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { createEmitter, emitNode, valueIn } from "../../src/ops/emitter.ts";
import type { OpName } from "../../src/ops/names.ts";
import { ops } from "../../src/ops/table.ts";
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

/** Exporters compute sizes with these. */
const arithmetic =
  "Add Cast Concat ConstantOfShape CumSum Div Equal Expand Flatten Gather Identity Mul NonZero Range Reshape ScatterND Shape Size Slice " +
  "Squeeze Sub Tile Transpose Unsqueeze Where";
/** Operators of which some samples are left to the runtime: other axes, floats, several elements. */
const partly = new Set(["Cast", "Concat", "ConstantOfShape", "ScatterND"]);

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
      for (const sample of op.samples) {
        const builder = newBuilder();
        const inputs = sample.inputs.map((input, i) =>
          input === null
            ? undefined
            : valueIn(builder, builder.constant(isTensor(input) ? input : counting(input), `k${i}`)),
        );
        const outputs = emitNode(builder, op.name as OpName, inputs, sample.attributes ?? {}, sample.outputs ?? 1);
        const graph = builder.finish(outputs.map((y) => y.name));
        const { constants } = trace(graph);
        const results = await runGraph(graph, {});
        for (const { name } of outputs) {
          const value = constants.get(name);
          if (value === undefined) continue;
          folded++;
          expect(value.dtype).toBe(results[name]!.dtype);
          expect(value.shape).toEqual(results[name]!.shape);
          expect(toNumbers(value)).toEqual(toNumbers(results[name]!));
        }
      }
      if (partly.has(op.name)) expect(folded).toBeGreaterThan(0);
      else expect(folded).toBe(op.samples.length);
    });
  }

  it("leaves alone what depends on an input, and floats", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 3] }));
    const n = valueIn(builder, builder.input("n", { dtype: "int64", shape: [1] }));
    const size = g.Mul(g.Gather(g.Shape(x), g.constant(int64s([1]))), g.constant(int64s([5])));
    const open = [
      g.Add(x, x),
      g.Mul(n, size),
      g.Mul(size, n),
      g.Gather(g.Shape(x), n),
      g.Concat(n, size, { axis: 0 }),
      g.Cast(n, { to: 6 }),
      g.Add(g.filled(1, [2]), g.filled(2, [2])),
    ];
    const { constants } = trace(builder.finish([size, ...open].map((value) => value.name)));
    expect(toNumbers(constants.get(size.name)!)).toEqual([15]);
    for (const value of open) expect(constants.has(value.name), value.name).toBe(false);
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
