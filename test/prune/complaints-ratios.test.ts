/** What users of other pruning tools complain about when it comes to how much is removed, and to the file that is written. */

import { describe, expect, it } from "vitest";
import type { Graph, Model, Node } from "../../src/graph/graph.ts";
import { isFloat } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { trace } from "../../src/passes/trace.ts";
import { costsOf } from "../../src/passes/costs.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { findGates } from "../../src/prune/gates/gates.ts";
import type { Removal } from "../../src/prune/coupling/removal.ts";
import { formatPlan, parsePlan } from "../../src/prune/select/plan.ts";
import { drawInputs } from "../../src/prune/proof/draw.ts";
import { selectShare, type SelectOptions } from "../../src/prune/select/select.ts";
import { difference, modelOf, random, runGraph, tinyNet } from "../support/graphs.ts";
import { listNets, readNetModel } from "../support/reference.ts";
import { laws } from "../support/laws.ts";

const load = (name: string): Model => {
  const model = loadModel(readNetModel(name));
  return { ...model, graph: normalise(model.graph) };
};
const groupsOf = (graph: Graph): Analysis => analyse(graph, { batch: 2 });
const select = (groups: Analysis, options: SelectOptions): Removal => {
  const next = random(1);
  const importances = new Map(groups.groups.map(({ name, units }) => [name, units.map(() => next())]));
  return selectShare(groups, importances, options);
};
const nets = listNets();

describe("a ratio", () => {
  it.each([0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 0.999])("of %f takes that share of every group, rounded down", (ratio) => {
    for (const name of nets) {
      const groups = groupsOf(load(name).graph);
      const removal = select(groups, { ratio, scope: "local" });
      for (const { name: group, units } of groups.groups)
        expect(removal.get(group)?.length ?? 0).toBe(Math.min(Math.floor(ratio * units.length), units.length - 1));
    }
  });

  it.each([0.1, 0.5, 0.95])("of %f of the whole net takes that share of its units, and no group wholly", (ratio) => {
    for (const name of nets) {
      const groups = groupsOf(load(name).graph);
      const removal = select(groups, { ratio, scope: "global" });
      const total = groups.groups.reduce((n, { units }) => n + units.length, 0);
      const most = groups.groups.reduce((n, { units }) => n + units.length - 1, 0);
      const removed = [...removal.values()].reduce((n, units) => n + units.length, 0);
      expect(removed).toBe(Math.min(Math.floor(ratio * total), most));
      for (const { name: group, units } of groups.groups)
        expect(removal.get(group)?.length ?? 0).toBeLessThan(units.length);
    }
  });

  it("that is higher never leaves more", () => {
    for (const name of ["vgg", "residual-pad", "grouped", "c2f", "attention-merged", "shuffle-v2"]) {
      const { graph } = load(name);
      const groups = groupsOf(graph);
      const params = [0, 0.2, 0.4, 0.6, 0.8, 0.95].map(
        (ratio) =>
          costsOf(trace(cut(graph, groups, select(groups, { ratio, scope: "local" })).graph, { batch: 2 })).params,
      );
      expect(params).toEqual(params.toSorted((a, b) => b - a));
      expect(params.at(-1)).toBeLessThan(params[0]! * 0.75);
    }
  });

  it.each([
    ["grouped convolutions", "grouped"],
    ["whole heads", "attention-merged"],
    ["plain layers", "vgg"],
  ])("rounded to multiples of 2 leaves those, of %s too", (_what, name) => {
    const { graph } = load(name);
    const groups = groupsOf(graph);
    const removal = select(groups, { ratio: 0.4, scope: "local", roundTo: 2 });
    expect(removal.size).toBeGreaterThan(0);
    const left = groupsOf(cut(graph, groups, removal).graph);
    const before = new Map(groups.groups.map(({ name: group, units }) => [group, units.length]));
    for (const { name: group, units } of left.groups)
      if (removal.has(group)) expect(units.length % 2, `${group}: ${before.get(group)} to ${units.length}`).toBe(0);
  });
});

describe("a group", () => {
  it.each(nets)("or a reason is given for every weight of %s", (name) => {
    const { graph } = load(name);
    const groups = groupsOf(graph);
    const covered = new Set([
      ...groups.groups.flatMap(({ axes: places }) => places.map(({ value }) => value)),
      ...groups.frozen.map((one) => one.name),
    ]);
    for (const one of groups.frozen) expect(one.reasons.length).toBeGreaterThan(0);
    for (const [weight, { dtype, shape }] of graph.initializers)
      if (isFloat(dtype) && shape.length > 1 && shape.some((dim) => dim > 1)) expect(covered).toContain(weight);
  });
});

describe("the body of a node", () => {
  const branch = (name: string, nodes: Node[], output: string): Graph => ({
    name,
    nodes,
    inputs: [],
    outputs: [{ name: output, dtype: "float32" }],
    initializers: new Map(),
    info: new Map(),
  });
  const node = (op: string, inputs: string[], output: string, attributes: Node["attributes"] = {}): Node => ({
    op,
    domain: "",
    name: `the ${op}`,
    inputs,
    outputs: [output],
    attributes,
  });

  /** A convolution whose result `make` reads from a body, and one that nothing of the kind touches. */
  const net = (make: (captured: string) => Node[]) => {
    const { builder, g, weight, x, finish, feeds } = tinyNet([1, 3, 2, 2]);
    const captured = g.Relu(g.Conv(x, weight("captured", [4, 3, 1, 1])));
    const free = g.Relu(g.Conv(x, weight("free", [6, 3, 1, 1])));
    const y = g.Conv(free, weight("head", [4, 6, 1, 1]));
    builder.nodes.push(...make(captured.name));
    builder.types.set("inner", { dtype: "float32", shape: [1, 4, 2, 2] });
    const graph = finish(y, { ...captured, name: "inner" });
    builder.constant({ dtype: "bool", shape: [], data: Uint8Array.of(1) });
    return { graph, feeds };
  };
  const yes = { dtype: "bool" as const, shape: [], data: Uint8Array.of(1) };

  it.each([
    [
      "If",
      (captured: string) => [
        node("If", ["yes"], "inner", {
          then_branch: { type: "graph", value: branch("then", [node("Identity", [captured], "t")], "t") },
          else_branch: { type: "graph", value: branch("else", [node("Neg", [captured], "e")], "e") },
        }),
      ],
    ],
    [
      "Loop",
      (captured: string) => [
        node("Loop", ["twice", "yes", "start"], "inner", {
          body: {
            type: "graph",
            value: {
              ...branch(
                "body",
                [node("Identity", ["go_on"], "still"), node("Add", ["sum", captured], "added")],
                "still",
              ),
              inputs: [
                { name: "i", dtype: "int64", shape: [] },
                { name: "go_on", dtype: "bool", shape: [] },
                { name: "sum", dtype: "float32" },
              ],
              outputs: [
                { name: "still", dtype: "bool", shape: [] },
                { name: "added", dtype: "float32" },
              ],
            },
          },
        }),
      ],
    ],
    [
      "Scan",
      (captured: string) => [
        node("Scan", ["rows"], "inner", {
          num_scan_inputs: { type: "int", value: 1 },
          scan_output_axes: { type: "ints", value: [0] },
          body: {
            type: "graph",
            value: {
              ...branch(
                "body",
                [node("Mul", [captured, "row"], "scaled"), node("Squeeze", ["scaled", "front"], "out")],
                "out",
              ),
              inputs: [{ name: "row", dtype: "float32", shape: [1] }],
              initializers: new Map([["front", { dtype: "int64" as const, shape: [1], data: BigInt64Array.of(0n) }]]),
            },
          },
        }),
      ],
    ],
  ] as const)("%s that reads a value keeps it whole; the rest is cut, and the file runs", async (op, make) => {
    const { graph: bare, feeds } = net(make);
    const graph: Graph = {
      ...bare,
      initializers: new Map(bare.initializers)
        .set("yes", yes)
        .set("twice", { dtype: "int64", shape: [], data: BigInt64Array.of(2n) })
        .set("start", { dtype: "float32", shape: [1, 4, 2, 2], data: new Float32Array(16) })
        .set("rows", { dtype: "float32", shape: [1, 1], data: Float32Array.of(3) }),
    };
    const groups = analyse(graph);
    expect(groups.groups.map(({ name, units }) => [name, units.length])).toEqual([["free", 6]]);
    expect(groups.frozen.find(({ name }) => name === "captured")!.reasons.join()).toContain(`${op} "the ${op}"`);
    const small = loadModel(encodeModel(modelOf(cut(graph, groups, new Map([["free", [0, 2]]])).graph))).graph;
    expect(small.initializers.get("free")!.shape[0]).toBe(4);
    const [before, after] = [await runGraph(graph, feeds), await runGraph(small, feeds)];
    expect(after["inner"]).toEqual(before["inner"]);
  });
});

describe("a long chain of layers", () => {
  it("of 10,000 nodes is loaded, grouped, gated and cut without recursion", laws, () => {
    const { g, weight, x, finish } = tinyNet([1, 3, 1, 1]);
    let y = g.Conv(x, weight("first", [4, 3, 1, 1]));
    for (let i = 0; i < 5_000; i++) y = g.Relu(g.Add(y, y));
    const model = modelOf(finish(g.Conv(y, weight("last", [2, 4, 1, 1]))));
    const graph = normalise(loadModel(encodeModel(model)).graph);
    expect(graph.nodes.length).toBe(10_002);
    const groups = analyse(graph);
    expect(groups.groups.map(({ name, units }) => [name, units.length])).toEqual([["first", 4]]);
    expect(findGates(groups).get("first")!.length).toBe(1);
    expect(cut(graph, groups, new Map([["first", [3]]])).graph.initializers.get("last")!.shape).toEqual([2, 3, 1, 1]);
  });
});

describe("the file", () => {
  const numbered = (one: Node, i: number): Node => ({ ...one, name: `layer ${i}` });
  const named = (): Model => {
    const { g, weight, x, finish } = tinyNet([2, 3, 4, 4]);
    const graph = finish(g.Conv(g.Relu(g.Conv(x, weight("first", [6, 3, 1, 1]))), weight("second", [2, 6, 1, 1])));
    return {
      ...modelOf({
        ...graph,
        name: "the net",
        doc: "what it is",
        nodes: graph.nodes.map(numbered),
      }),
      producerName: "a trainer",
      producerVersion: "7",
      domain: "org.example",
      modelVersion: 12,
      doc: "words",
      metadata: { classes: "cat,dog" },
    };
  };

  it("keeps its names and what it says of itself, gets smaller, and is pruned again", () => {
    const model = named();
    const groups = analyse(model.graph);
    const bytes = encodeModel({ ...model, graph: cut(model.graph, groups, new Map([["first", [0, 5]]])).graph });
    expect(bytes.length).toBeLessThan(encodeModel(model).length);
    const small = loadModel(bytes);
    const said = ({ producerName, producerVersion, domain, modelVersion, doc, metadata, graph }: Model) => ({
      about: [producerName, producerVersion, domain, modelVersion, doc, metadata],
      graph: [graph.name, graph.doc],
      nodes: graph.nodes.map(({ name, outputs }) => [name, outputs]),
      weights: [...graph.initializers.keys()],
      ends: [graph.inputs, graph.outputs],
    });
    expect(said(small)).toEqual(said(model));
    const again = analyse(small.graph);
    expect(again.groups.map(({ units }) => units.length)).toEqual([4]);
    expect(cut(small.graph, again, new Map([["first", [1]]])).graph.initializers.get("second")!.shape[1]).toBe(3);
  });

  it.each(["class-token", "attention-grouped", "attention-torch", "windows-shifted", "boxes", "shuffle-v2", "lstm"])(
    "of %s still takes any batch",
    async (name) => {
      const { graph } = load(name);
      const found = groupsOf(graph);
      const groups = { ...found, groups: found.groups.filter(({ inexact }) => inexact.length === 0) };
      const removal = select(groups, { ratio: 0.5, scope: "local" });
      expect(removal.size).toBeGreaterThan(0);
      const small = cut(graph, groups, removal).graph;
      for (const batch of [1, 2, 5]) {
        const there = analyse(graph, { batch });
        const feeds = drawInputs(there.traced, 4);
        const masked = mask(graph, there, removal);
        const [a, b] = [await runGraph(masked, feeds), await runGraph(small, feeds)];
        expect(a["output"]!.shape[0]).toBe(batch);
        const { largest, range } = difference(a["output"]!, b["output"]!);
        expect(largest / range).toBeLessThan(1e-5);
      }
    },
  );

  it("is the same when its plan is written, read and carried out again", () => {
    for (const name of ["c2f", "attention-merged", "shuffle-v2"]) {
      const model = load(name);
      const groups = groupsOf(model.graph);
      const removal = select(groups, { ratio: 0.5, scope: "local" });
      const [once, again] = [removal, parsePlan(formatPlan(removal))].map((plan) =>
        encodeModel({ ...model, graph: cut(model.graph, groupsOf(load(name).graph), plan).graph }),
      );
      expect(Buffer.from(once!).equals(Buffer.from(again!))).toBe(true);
    }
  });
});
