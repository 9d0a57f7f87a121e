/** The number of heads in a file after a cut: written where an exporter left it to be inferred, for those who look for it there. */

import { expect, test } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { int64s, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { graphOf, node, value } from "../onnx/support.ts";
import { difference, noise, runGraph } from "../support/graphs.ts";

const size = (name: string, axis: number) => [
  node("Shape", ["x"], [`${name}_all`]),
  node("Gather", [`${name}_all`, `at${axis}`], [name]),
];

/** A layer of three heads of four places over [batch, length, 8], folded by a Reshape and unfolded by another. */
function heads(target: Tensor | "joined", unfold: readonly number[], flat = false): Graph {
  const sizes = [...size("n", 0), ...size("t", 1)];
  const joined = node("Concat", ["n", "t", "any", "four"], ["target"], { axis: 0 });
  return graphOf({
    inputs: [value("x", ["batch", "length", 8])],
    outputs: [value("y")],
    nodes: [
      ...(target === "joined" ? [...sizes, joined] : []),
      ...(flat ? [node("Reshape", ["x", "rows"], ["from"])] : []),
      node("MatMul", [flat ? "from" : "x", "w"], ["q"]),
      node("Reshape", ["q", "target"], ["h"]),
      node("Relu", ["h"], ["r"]),
      node("Reshape", ["r", "unfold"], ["u"]),
      node("MatMul", ["u", "v"], ["y"]),
    ],
    initializers: new Map([
      ["w", noise([8, 12], 1)],
      ["v", noise([12, 5], 2)],
      ["rows", int64s([-1, 8])],
      ["unfold", int64s(unfold)],
      ["any", int64s([-1])],
      ["four", int64s([4])],
      ["at0", int64s([0])],
      ["at1", int64s([1])],
      ...(target === "joined" ? [] : [["target", target] as const]),
    ]),
  });
}

/** Removes the second unit of groups by the number of their units; the graph, which computes what its masked twin does. */
async function without(whole: Graph, counts: readonly number[]): Promise<Graph> {
  const graph = normalise(whole);
  const groups = analyse(graph, { batch: 2 });
  const chosen = groups.groups.filter(({ units }) => counts.includes(units.length));
  expect(chosen).toHaveLength(counts.length);
  const removal = new Map(chosen.map(({ name }) => [name, [1]]));
  const [less, zeroed] = [cut(graph, groups, removal).graph, mask(graph, groups, removal)];
  for (const [n, t] of [
    [1, 6],
    [2, 5],
    [5, 1],
  ] as const) {
    const feeds = { x: noise([n, t, 8], n) };
    const [a, b] = [await runGraph(zeroed, feeds), await runGraph(less, feeds)];
    const { largest, range } = difference(a["y"]!, b["y"]!);
    expect(range).toBeGreaterThan(0.01);
    expect(largest).toBeLessThan(1e-6);
  }
  return less;
}

/** The target of the Reshape that makes heads; what is computed as "?". */
function targetOf({ nodes, initializers }: Graph): (number | "?")[] {
  const by = (name: string): (number | "?")[] => {
    const known = initializers.get(name);
    if (known) return toNumbers(known);
    const maker = nodes.find(({ outputs }) => outputs.includes(name))!;
    return maker.op === "Concat" ? maker.inputs.flatMap(by) : ["?"];
  };
  return by(nodes.find(({ outputs }) => outputs.includes("h"))!.inputs[1]!);
}

const rows = [0, 0, -1];
const [headsOf, placesOf] = [3, 4];

test.each([
  ["heads", [0, 0, -1, 4], [headsOf], [0, 0, 2, 4]],
  ["the width of the heads that stay", [0, 0, 3, -1], [headsOf], [0, 0, 2, 4]],
  [
    "nothing where no head is cut, and where they are narrower: a reader would scale by that",
    [0, 0, -1, 4],
    [placesOf],
    [0, 0, -1, 3],
  ],
  ["nothing where heads are cut and narrower", [0, 0, -1, 4], [headsOf, placesOf], [0, 0, -1, 3]],
] as const)("what is written: %s", async (_, target, counts, after) => {
  expect(targetOf(await without(heads(int64s(target), rows), counts))).toEqual(after);
});

test("in a list of sizes that the graph joins, with nothing computed of it", async () => {
  const small = await without(heads("joined", [-1, 12], true), [headsOf]);
  expect(targetOf(small)).toEqual(["?", "?", 2, 4]);
  expect(small.nodes.map(({ op }) => op)).not.toContain("Add");
});

test("an axis that is as long as the input says stays inferred", async () => {
  const small = await without(heads(int64s([0, -1, 4]), [0, -1, 12]), [headsOf]);
  expect(targetOf(small)).toEqual([0, -1, 4]);
});
