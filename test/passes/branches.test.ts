/** Ifs whose condition is known: the branch that is taken stands in the graph, and the graph computes what it did. */

import { describe, expect, it } from "vitest";
import type { Attribute, Graph, Node } from "../../src/graph/graph.ts";
import { float32, int64s, tensor, toNumbers } from "../../src/graph/tensor.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { settleBranches } from "../../src/passes/branches.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { trace } from "../../src/passes/trace.ts";
import { costsOf } from "../../src/passes/costs.ts";
import { emptyGraph, noise, runGraph } from "../support/graphs.ts";

const node = (op: string, inputs: string[], outputs: string[], attributes: Node["attributes"] = {}): Node => ({
  op,
  domain: "",
  name: `${op.toLowerCase()} ${outputs[0]}`,
  inputs,
  outputs,
  attributes,
});

const body = (
  nodes: readonly Node[],
  outputs: readonly string[],
  weights: Graph["initializers"] = new Map(),
): Attribute => ({
  type: "graph",
  value: {
    ...emptyGraph,
    nodes,
    initializers: weights,
    outputs: outputs.map((name) => ({ name, dtype: "float32" })),
  },
});

const scaledBy = (factor: number, output = "scaled"): Attribute =>
  body([node("Mul", ["x", "k"], [output])], [output], new Map([["k", float32([], [factor])]]));

/** x [N, 3, 4] and what the nodes make of it. */
const graphOf = (
  nodes: readonly Node[],
  outputs: readonly string[],
  initializers: Graph["initializers"] = new Map(),
): Graph => ({
  ...emptyGraph,
  nodes,
  initializers,
  inputs: [{ name: "x", dtype: "float32", shape: ["N", 3, 4] }],
  outputs: outputs.map((name) => ({ name, dtype: "float32" })),
});

const whether = (value: boolean): Graph["initializers"] => new Map([["c", tensor("bool", [], [Number(value)])]]);

const countIfs = (graph: Graph): number => graph.nodes.filter(({ op }) => op === "If").length;

/** Normalises the graph, which must compute the same as before, and returns what it came to. */
async function settled(graph: Graph): Promise<Graph> {
  const after = normalise(graph);
  const feeds = { x: noise([2, 3, 4], 7) };
  const [before, now] = [await runGraph(graph, feeds), await runGraph(after, feeds)];
  for (const { name } of graph.outputs) {
    expect(now[name]!.shape).toEqual(before[name]!.shape);
    expect(toNumbers(now[name]!)).toEqual(toNumbers(before[name]!));
  }
  return after;
}

describe("an If with a known condition", () => {
  it.each([true, false])("takes the branch of %s, and weights of both under one name do not meet", async (value) => {
    const branches = { then_branch: scaledBy(2), else_branch: scaledBy(3) };
    const after = await settled(graphOf([node("If", ["c"], ["y"], branches)], ["y"], whether(value)));
    expect(after.nodes.map(({ op }) => op)).toEqual(["Mul"]);
    expect(toNumbers(after.initializers.get("k")!)).toEqual([value ? 2 : 3]);
  });

  it("decides by a size, as a Squeeze without axes is exported", async () => {
    const nodes = [
      node("Shape", ["x"], ["s"], { start: { type: "int", value: 1 }, end: { type: "int", value: 2 } }),
      node("Equal", ["s", "one"], ["is"]),
      node("If", ["is"], ["y"], {
        then_branch: body([node("ReduceSum", ["x", "at"], ["fewer"])], ["fewer"], new Map([["at", int64s([1])]])),
        else_branch: body([node("Identity", ["x"], ["same"])], ["same"]),
      }),
    ];
    const after = await settled(graphOf(nodes, ["y"], new Map([["one", int64s([1])]])));
    expect(after.nodes.map(({ op }) => op)).toEqual(["Identity"]);
  });

  it("stays where the batch decides, and its weights count", async () => {
    const nodes = [
      node("Shape", ["x"], ["s"], { start: { type: "int", value: 0 }, end: { type: "int", value: 1 } }),
      node("Equal", ["s", "two"], ["is"]),
      node("If", ["is"], ["y"], {
        then_branch: body([node("Mul", ["x", "w"], ["a"])], ["a"], new Map([["w", float32([4], [1, 2, 3, 4])]])),
        else_branch: body(
          [
            node("Constant", [], ["v"], {
              value: { type: "tensor", value: float32([2, 1, 4], [2, 2, 2, 2, 2, 2, 2, 2]) },
            }),
            node("Mul", ["x", "x"], ["b"]),
          ],
          ["b"],
        ),
      }),
    ];
    const after = await settled(graphOf(nodes, ["y"], new Map([["two", int64s([2])]])));
    expect(countIfs(after)).toBe(1);
    expect(costsOf(trace(after))).toMatchObject({ params: 12, bytes: 8 + 16 + 32 });
  });

  it("inlines one in another, twice, and renames what is taken", async () => {
    const inner = {
      then_branch: body([node("Add", ["scaled", "k"], ["deep"])], ["deep"]),
      else_branch: body([node("Identity", ["scaled"], ["deep"])], ["deep"]),
    };
    const outer = body(
      [
        node("Constant", [], ["yes"], { value: { type: "tensor", value: tensor("bool", [], [1]) } }),
        node("Mul", ["x", "k"], ["scaled"]),
        node("If", ["yes"], ["k2"], inner),
      ],
      ["k2", "scaled"],
      new Map([["k", float32([], [5])]]),
    );
    const nodes = [
      node("If", ["c"], ["y", "z"], { then_branch: outer, else_branch: outer }),
      node("If", ["c"], ["y2", "z2"], { then_branch: outer, else_branch: outer }),
    ];
    const after = await settled(graphOf(nodes, ["y", "z", "y2", "z2"], whether(false)));
    expect(countIfs(after)).toBe(0);
    expect([...after.initializers.keys()]).toEqual(expect.arrayContaining(["k", "k_1"]));
  });

  it("leaves a body that reads a renamed value reading it", async () => {
    // Whether the inner If is taken depends on the batch, so that it stays.
    const inner = {
      then_branch: body([node("Add", ["scaled", "k"], ["deep"])], ["deep"]),
      else_branch: body([node("Sub", ["scaled", "k"], ["deep"])], ["deep"]),
    };
    const outer = (factor: number): Attribute =>
      body(
        [
          node("Shape", ["x"], ["s"], { end: { type: "int", value: 1 } }),
          node("Greater", ["s", "two"], ["is"]),
          node("Mul", ["x", "k"], ["scaled"]),
          node("If", ["is"], ["t"], inner),
        ],
        ["t"],
        new Map([
          ["k", float32([], [factor])],
          ["two", int64s([2])],
        ]),
      );
    const nodes = [
      node("If", ["c"], ["y"], { then_branch: outer(5), else_branch: outer(6) }),
      node("If", ["c"], ["z"], { then_branch: outer(7), else_branch: outer(8) }),
    ];
    const after = await settled(graphOf(nodes, ["y", "z"], whether(true)));
    expect(countIfs(after)).toBe(2);
  });

  it("hands a constant and a value of the graph through", () => {
    const branch = body([], ["k", "x", "k"], new Map([["k", float32([], [5])]]));
    const graph = graphOf(
      [node("If", ["c"], ["a", "b", "d"], { then_branch: branch, else_branch: branch })],
      ["a", "b", "d"],
      whether(true),
    );
    const { nodes, initializers } = normalise(graph);
    expect(nodes.map(({ op, inputs, outputs }) => [op, inputs[0], outputs[0]])).toEqual([
      ["Identity", "k", "a"],
      ["Identity", "x", "b"],
      ["Identity", "k", "d"],
    ]);
    expect([...initializers.keys()]).toContain("k");
  });

  it("has units in its branch that can be pruned", () => {
    const weights = new Map([
      ["w", noise([4, 6], 1)],
      ["v", noise([6, 5], 2)],
    ]);
    const net = body(
      [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["r"]), node("MatMul", ["r", "v"], ["o"])],
      ["o"],
      weights,
    );
    const graph = graphOf([node("If", ["c"], ["y"], { then_branch: net, else_branch: net })], ["y"], whether(true));
    const { groups } = analyse(normalise(graph));
    expect(groups.map(({ name, units }) => [name, units.length])).toEqual([["w", 6]]);
  });

  it("is the same graph where no condition is known", () => {
    const graph = graphOf([node("Relu", ["x"], ["y"])], ["y"]);
    expect(settleBranches(graph, [trace(graph)])).toBe(graph);
  });
});
