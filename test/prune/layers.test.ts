/** What can be removed around single layers in every orientation, and that it is proved. */

import { expect, it } from "vitest";
import { int64s, type Tensor } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { valueIn } from "../../src/ops/emitter.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { assertProved, prove } from "../../src/prune/proof/prove.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { modelOf, tinyNet } from "../support/graphs.ts";

type Tiny = ReturnType<typeof tinyNet>;

/** The shape of the input, what is built on it, and the units by group. */
type Layer = readonly [
  what: string,
  shape: readonly number[],
  build: (net: Tiny) => Value,
  units: Readonly<Record<string, number>>,
];

const layers: readonly Layer[] = [
  [
    "convolutions over time",
    [2, 3, 8],
    ({ g, weight, x }) =>
      g.Conv(g.Relu(g.Conv(x, weight("a", [6, 3, 3]), weight("bias", [6]))), weight("b", [2, 6, 1])),
    { a: 6 },
  ],
  [
    "convolutions over volumes",
    [1, 2, 3, 4, 3],
    ({ g, weight, x }) => g.Conv(g.Relu(g.Conv(x, weight("a", [5, 2, 1, 2, 1]))), weight("b", [2, 5, 1, 1, 1])),
    { a: 5 },
  ],
  [
    "transposed convolutions with groups",
    [2, 4, 3, 3],
    ({ g, weight, x }) => {
      const y = g.Relu(g.Conv(x, weight("a", [6, 4, 1, 1])));
      const up = g.ConvTranspose(y, weight("b", [6, 4, 2, 2]), undefined, { group: 2, strides: [2, 2] });
      return g.Conv(g.Relu(up), weight("c", [2, 8, 1, 1]));
    },
    // The same place of both groups.
    { a: 3, b: 4 },
  ],
  [
    "a depthwise transposed convolution that doubles the channels",
    [2, 3, 3, 3],
    ({ g, weight, x }) => {
      const y = g.Relu(g.Conv(x, weight("a", [4, 3, 1, 1])));
      const up = g.ConvTranspose(y, weight("b", [4, 2, 2, 2]), undefined, { group: 4, strides: [2, 2] });
      return g.Conv(g.Relu(up), weight("c", [2, 8, 1, 1]));
    },
    { a: 4 },
  ],
  [
    "Gemm with both sides transposed",
    [5, 3],
    ({ g, weight, x }) => {
      const y = g.Relu(g.Gemm(x, weight("a", [6, 5]), weight("bias", [6]), { transA: 1, transB: 1 }));
      return g.Gemm(y, weight("b", [6, 2]));
    },
    { a: 6 },
  ],
  [
    "a product with the weight on the left",
    [2, 3, 5],
    ({ g, weight, x }) => g.MatMul(weight("b", [2, 6]), g.Relu(g.MatMul(weight("a", [6, 3]), x))),
    { a: 6 },
  ],
  [
    "slopes for each channel",
    [2, 3, 4, 4],
    ({ g, weight, x }) =>
      g.Conv(g.PRelu(g.Conv(x, weight("a", [5, 3, 1, 1])), weight("slope", [5, 1, 1])), weight("b", [2, 5, 1, 1])),
    { a: 5 },
  ],
  [
    "InstanceNormalization",
    [2, 3, 4, 4],
    ({ g, weight, x }) => {
      const y = g.Conv(x, weight("a", [5, 3, 1, 1]));
      const normal = g.InstanceNormalization(y, weight("scale", [5], 0.5), weight("shift", [5]));
      return g.Conv(g.Relu(normal), weight("b", [2, 5, 1, 1]));
    },
    { a: 5 },
  ],
  [
    "GroupNormalization",
    [2, 3, 4, 4],
    ({ g, weight, x }) => {
      const y = g.Conv(x, weight("a", [6, 3, 1, 1]));
      const normal = g.GroupNormalization(y, weight("scale", [6], 0.5), weight("shift", [6]), { num_groups: 2 });
      return g.Conv(g.Relu(normal), weight("b", [2, 6, 1, 1]));
    },
    // The same place of both groups, or a whole group.
    { a: 3, "a#2": 2 },
  ],
  [
    "a gated feed-forward part behind RMSNormalization",
    [2, 4, 5],
    ({ g, weight, x }) => {
      const y = g.MatMul(x, weight("embed", [5, 6]));
      const normal = g.RMSNormalization(y, weight("scale", [6], 0.5), { axis: -1 });
      const gate = g.MatMul(normal, weight("gate", [6, 8]));
      const up = g.Mul(g.Mul(gate, g.Sigmoid(gate)), g.MatMul(normal, weight("up", [6, 8])));
      return g.MatMul(g.Add(y, g.MatMul(up, weight("down", [8, 6]))), weight("head", [6, 2]));
    },
    { embed: 6, gate: 8 },
  ],
  [
    "an embedding that is also the head",
    [2, 3],
    ({ builder, g, weight, x }) => {
      const table = weight("table", [7, 6]);
      const tokens: Tensor = { dtype: "int64", shape: [2], data: BigInt64Array.of(1n, 5n) };
      const embedded = g.Gather(table, valueIn(builder, builder.constant(tokens)), { axis: 0 });
      const y = g.Add(g.MatMul(x, weight("a", [3, 6])), embedded);
      const hidden = g.Add(y, g.MatMul(g.Relu(g.MatMul(y, weight("up", [6, 5]))), weight("down", [5, 6])));
      return g.MatMul(hidden, g.Transpose(table, { perm: [1, 0] }));
    },
    { a: 6, up: 5 },
  ],
  [
    "three branches added up",
    [2, 3, 4, 4],
    ({ g, weight, x }) => {
      const [a, b, c] = ["a", "b", "c"].map((name) => g.Conv(x, weight(name, [5, 3, 1, 1]))) as [Value, Value, Value];
      return g.Conv(g.Relu(g.Sum(a, b, c)), weight("d", [2, 5, 1, 1]));
    },
    { a: 5 },
  ],
  [
    "a concatenation that is split elsewhere",
    [2, 3, 4, 4],
    ({ g, weight, x }) => {
      const parts = [g.Conv(x, weight("a", [4, 3, 1, 1])), g.Conv(x, weight("b", [5, 3, 1, 1]))];
      const whole = g.Relu(g.Concat(...parts, { axis: 1 }));
      const [left, right] = g.many("Split", [whole, g.ints([6, 3])], { axis: 1 }, 2) as [Value, Value];
      return g.Add(g.Conv(left, weight("c", [2, 6, 1, 1])), g.Conv(right, weight("d", [2, 3, 1, 1])));
    },
    { a: 4, b: 2, "b#2": 3 },
  ],
  [
    "a part of the channels, reversed",
    [2, 3, 4, 4],
    ({ builder, g, weight, x }) => {
      const y = g.Relu(g.Conv(x, weight("a", [5, 3, 1, 1])));
      const order = valueIn(builder, builder.constant(int64s([4, 2, 0])));
      const both = g.Add(
        g.Conv(g.Gather(y, order, { axis: 1 }), weight("b", [2, 3, 1, 1])),
        g.Conv(y, weight("c", [2, 5, 1, 1])),
      );
      return g.Relu(both);
    },
    { a: 3, "a#2": 2 },
  ],
];

it.each(layers)("%s", async (_what, shape, build, units) => {
  const net = tinyNet(shape);
  const graph = net.finish(build(net));
  const groups = analyse(graph);
  expect(Object.fromEntries(groups.groups.map((group) => [group.name, group.units.length]))).toEqual(units);
  for (const { name, units: all } of groups.groups) {
    const removal = new Map([[name, all.flatMap((_, i) => (i % 2 === 1 ? [i] : []))]]);
    const proof = await prove(directRuntime, modelOf(graph), groups, removal, { threads: 1 });
    assertProved(proof);
    expect(proof.elements).toBeGreaterThan(0);
  }
});
