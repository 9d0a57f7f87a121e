/** Outputs under their names: no Identity at the end, and the same values. */

import { expect, it } from "vitest";
import { tensor, toNumbers } from "../../src/graph/tensor.ts";
import { alias, createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { ownNames } from "../../src/passes/own-names.ts";
import { newBuilder, runGraph } from "../support/graphs.ts";

it("a value that has another name as an output is made under it; further names, inputs and constants are still copied", async () => {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2] }));
  const double = g.Add(x, x);
  const [first, second, given, fixed] = ["first", "second", "given", "fixed"].map((name) => builder.claim(name));
  alias(builder, double.name, first!);
  alias(builder, double.name, second!);
  alias(builder, x.name, given!);
  alias(builder, g.filled(3, [2]).name, fixed!);
  const square = g.Mul(double, double);
  const graph = builder.finish([first!, second!, given!, fixed!, square.name]);
  const named = ownNames(graph);
  expect(named.outputs).toEqual(graph.outputs);
  expect(named.nodes.map(({ op }) => op)).toEqual(["Add", "Identity", "Identity", "Identity", "Mul"]);
  const results = await runGraph(named, { x: tensor("float32", [2], [1, 2]) });
  expect(named.outputs.map(({ name }) => toNumbers(results[name]!))).toEqual([
    [2, 4],
    [2, 4],
    [1, 2],
    [3, 3],
    [4, 16],
  ]);
});
