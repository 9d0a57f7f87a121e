/** Outputs under their names: no Identity at the end, and the same values. */

import { expect, it } from "vitest";
import type { Attribute } from "../../src/graph/graph.ts";
import { tensor, toNumbers } from "../../src/graph/tensor.ts";
import { alias, createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { ownNames } from "../../src/passes/own-names.ts";
import { emptyGraph, newBuilder, runGraph } from "../support/graphs.ts";

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

it("a value that is an output itself keeps its name, and so does a copy that is none", async () => {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2] }));
  const double = g.Add(x, x);
  const copy = g.Identity(g.Mul(x, x));
  const again = builder.claim("again");
  alias(builder, double.name, again);
  const graph = builder.finish([double.name, again, g.Neg(copy).name]);
  expect(ownNames(graph)).toEqual(graph);
  const results = await runGraph(ownNames(graph), { x: tensor("float32", [2], [1, 3]) });
  expect(graph.outputs.map(({ name }) => toNumbers(results[name]!))).toEqual([
    [2, 6],
    [2, 6],
    [-1, -9],
  ]);
});

it("a value that a body reads keeps its name", async () => {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2] }));
  const double = g.Add(x, x);
  const named = builder.claim("named");
  alias(builder, double.name, named);
  const body = (op: string): Attribute => {
    const node = { op, domain: "", name: "", inputs: [double.name], outputs: [`inner ${op}`], attributes: {} };
    return {
      type: "graph",
      value: { ...emptyGraph, nodes: [node], outputs: [{ name: `inner ${op}`, dtype: "float32" }] },
    };
  };
  const condition = g.constant({ dtype: "bool", shape: [], data: Uint8Array.of(1) });
  const branches = { then_branch: body("Neg"), else_branch: body("Abs") };
  const [chosen] = builder.append("If", [condition.name], branches, [{ dtype: "float32", shape: [2] }]);
  const graph = builder.finish([named, chosen!]);
  expect(ownNames(graph)).toEqual(graph);
  const results = await runGraph(ownNames(graph), { x: tensor("float32", [2], [1, 3]) });
  expect(toNumbers(results[chosen!]!)).toEqual([-2, -6]);
});
