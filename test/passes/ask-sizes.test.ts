/** The batch size is asked of the input, so that a value that is asked for it can lose channels. */

import { describe, expect, it } from "vitest";
import type { Dim, Graph, ValueInfo } from "../../src/graph/graph.ts";
import { toNumbers } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { valueIn } from "../../src/ops/emitter.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { runGraph, tinyNet } from "../support/graphs.ts";

/** A row of a table for each sample, as many as the sizes of a hidden value say, `times` over. */
function net(times: number, first: Dim, second?: Dim): Graph {
  const { builder, g, weight, x, finish } = tinyNet([2, 3]);
  const hidden = g.Relu(g.MatMul(x, weight("a", [3, 6])));
  const rows = times === 1 ? hidden : g.Concat(...Array.from({ length: times }, () => hidden), { axis: 0 });
  const size = g.Gather(g.Shape(rows), g.ints([0]));
  const scalar = g.Gather(g.Shape(rows), g.reshaped(g.ints([0]), []));
  // Its type does not follow from constants alone.
  const expand = (name: string, count: Value): Value => {
    const sizes = g.Concat(count, g.ints([4]), { axis: 0 });
    const type = { dtype: "float32" as const, shape: [2 * times, 4] };
    return valueIn(builder, builder.append("Expand", [weight(name, [1, 4]).name, sizes.name], {}, [type])[0]!);
  };
  const [copies, more] = [expand("row", size), expand("other", g.Unsqueeze(scalar, g.ints([0])))];
  const y = g.Add(g.Add(g.MatMul(rows, weight("b", [6, 4])), copies), more);
  if (second !== undefined) builder.input("z", { dtype: "float32", shape: [2, 3] });
  const graph = finish(y);
  const dims: Record<string, Dim> = { x: first, ...(second !== undefined && { z: second }) };
  const open = (input: ValueInfo): ValueInfo => ({ ...input, shape: [dims[input.name]!, 3] });
  return {
    ...graph,
    inputs: graph.inputs.map(open),
    outputs: [{ name: y.name, dtype: "float32" }],
  };
}

const unitsOf = (graph: Graph) =>
  Object.fromEntries(analyse(graph, { batch: 2 }).groups.map(({ name, units }) => [name, units.length]));
const asked = (graph: Graph) => [
  ...new Set(graph.nodes.filter(({ op }) => op === "Shape").flatMap(({ inputs }) => inputs)),
];

describe("the size of the batch", () => {
  it.each([1, 3])("is asked of the input, %i times over", async (times) => {
    const graph = normalise(net(times, "N"));
    expect(asked(graph)).toEqual(["x"]);
    expect(unitsOf(graph)).toEqual({ a: 6 });
    const small = cut(graph, analyse(graph, { batch: 2 }), new Map([["a", [1, 4]]])).graph;
    for (const batch of [1, 5]) {
      const feeds = {
        x: { dtype: "float32" as const, shape: [batch, 3], data: new Float32Array(3 * batch).fill(0.5) },
      };
      const [a, b] = [await runGraph(net(times, "N"), feeds), await runGraph(small, feeds)];
      const name = graph.outputs[0]!.name;
      expect(b[name]!.shape).toEqual([batch * times, 4]);
      // With nothing removed it is the net itself.
      expect(await runGraph(graph, feeds)).toEqual(a);
    }
  });

  it("is the same again where it was asked of the input already", () => {
    const once = normalise(net(3, "N"));
    expect(normalise(once).nodes).toEqual(once.nodes);
  });

  it("is asked of the value if inputs may differ in it, and not for the channels that it has", () => {
    const graph = normalise(net(1, "N", "M"));
    expect(asked(graph)).toEqual(expect.not.arrayContaining(["x"]));
    expect(unitsOf(graph)).toEqual({ a: 6 });
    expect(asked(normalise(net(1, "N", "N")))).toEqual(["x"]);
  });

  it("is a constant where it is given", () => {
    const graph = normalise(net(1, 2));
    expect(asked(graph)).toEqual([]);
    const stated = graph.nodes
      .filter(({ op }) => op === "Expand")
      .map(({ inputs }) => toNumbers(graph.initializers.get(inputs[1]!)!));
    expect(stated).toEqual([
      [2, 4],
      [2, 4],
    ]);
    expect(unitsOf(graph)).toEqual({ a: 6 });
  });
});
