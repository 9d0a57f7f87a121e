/** Gradients that differences do not tell: where a function has a kink, what PyTorch gives there; and of two forms that hardly differ. */

import { expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { tensor, toNumbers } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import type { Emit } from "../../src/ops/core/emit.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { newBuilder, runGraph } from "../support/graphs.ts";

/** The gradients of the sum of 6 times an expression of rows. */
async function gradients(rows: readonly (readonly number[])[], expression: (g: Emit, ...xs: Value[]) => Value) {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const shape = [rows[0]!.length];
  const xs = rows.map((_, i) => valueIn(builder, builder.input(`x${i}`, { dtype: "float32", shape })));
  const y = expression(g, ...xs);
  const names = xs.map(({ name }) => name);
  const found = differentiate(builder, [{ value: y, seed: g.filled(6, y.shape) }], names);
  const wanted = names.map((name) => found.get(name)!.name);
  const feeds = Object.fromEntries(rows.map((row, i) => [names[i]!, tensor("float32", shape, row)]));
  const results = await runGraph(builder.finish(wanted), feeds);
  return wanted.map((name) => toNumbers(results[name]!));
}

it.each([
  ["ReduceMax", [1, 3, 3, 2, 3], [0, 2, 2, 0, 2]],
  ["ReduceMin", [1, 3, 1, 2, 3], [3, 0, 3, 0, 0]],
  ["ReduceProd", [2, 0, -3, 0.5, 1], [0, -18, 0, 0, 0]],
  ["ReduceProd", [2, 0, -3, 0, 1], [0, 0, 0, 0, 0]],
  ["ReduceL1", [2, 0, -3, 0, 1], [6, 0, -6, 0, 6]],
  ["ReduceL2", [0, 0, 0], [0, 0, 0]],
  ["ReduceL2", [3, 0, -4], [3.6, 0, -4.8]],
] as const)("%s of %j", async (name, row, expected) => {
  const [dx] = await gradients([row], (g, x) => g[name](x));
  expected.forEach((value, i) => expect(dx![i]).toBeCloseTo(value, 5));
});

it.each([
  [
    "Max",
    [
      [6, 0, 3, 2],
      [0, 6, 3, 2],
      [0, 0, 0, 2],
    ],
  ],
  [
    "Min",
    [
      [0, 6, 0, 2],
      [6, 0, 0, 2],
      [0, 0, 6, 2],
    ],
  ],
] as const)("of several inputs %s shares the gradient among equals", async (name, expected) => {
  const rows = [
    [5, -1, 4, 7],
    [1, 2, 4, 7],
    [3, 0, -1, 7],
  ];
  expect(await gradients(rows, (g, ...xs) => g[name](...xs))).toEqual(expected);
});

it("Gelu is differentiated in the form that it is computed in", async () => {
  const row = [1, 2, -1];
  const [exact] = await gradients([row], (g, x) => g.Gelu(x));
  const [tanh] = await gradients([row], (g, x) => g.Gelu(x, { approximate: "tanh" }));
  // Φ(x) + x φ(x) by the tables of the normal distribution.
  const normal = [0.841344746 + 0.241970725, 0.977249868 + 2 * 0.053990967, 0.158655254 - 0.241970725];
  const form = (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  row.forEach((x, i) => {
    expect(exact![i]).toBeCloseTo(6 * normal[i]!, 4);
    expect(tanh![i]).toBeCloseTo((6 * (form(x + 1e-5) - form(x - 1e-5))) / 2e-5, 4);
  });
});
