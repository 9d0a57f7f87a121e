/** What is refused takes no part in coupling, whatever the file declares; small floats that give sizes are computed. */

import { describe, expect, it } from "vitest";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { float32, sizeOf, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { applicationOf, trace } from "../../src/passes/trace.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { graphOf, node, value } from "../onnx/support.ts";

const ones = (shape: Shape): Tensor => float32(shape, new Float32Array(sizeOf(shape)).fill(1));

/** A 1x1 Conv of five channels, nodes from "a" to "b", and a 1x1 Conv. */
const net = (nodes: readonly Node[], initializers: Readonly<Record<string, Tensor>> = {}): Graph =>
  graphOf({
    inputs: [value("x", ["N", 3, 4, 4])],
    outputs: [value("y", ["N", 2, 8, 8])],
    initializers: new Map(Object.entries({ w: ones([5, 3, 1, 1]), v: ones([2, 5, 1, 1]), ...initializers })),
    nodes: [node("Conv", ["x", "w"], ["a"]), ...nodes, node("Conv", ["b", "v"], ["y"])],
  });

describe("a refused node", () => {
  it("freezes what it touches where only the file types its output", () => {
    const graph = {
      ...net([node("Relu", ["a"], ["b"], { unheard: 1 })]),
      info: new Map([["b", value("b", ["N", 5, 4, 4])]]),
    };
    const traced = trace(graph);
    expect(traced.refusals.map(({ reason }) => reason)).toEqual(['attribute "unheard" of Relu is not known']);
    expect(applicationOf(traced, graph.nodes[1]!)).toBeUndefined();
    const { groups, frozen } = analyse(graph);
    expect(groups).toEqual([]);
    expect(frozen[0]).toMatchObject({ name: "w", units: 5 });
    expect(frozen[0]!.reasons.join()).toContain('attribute "unheard" of Relu is not known');
  });

  it("has no application where nothing types its output", () => {
    const graph = net([node("Expand", ["a", "a"], ["b"])]);
    const { frozen } = analyse(graph);
    expect(frozen[0]).toMatchObject({ name: "w", units: 5 });
    expect(frozen[0]!.reasons.join()).toContain('its input "a" is computed from data, not from sizes');
  });
});

describe("small floats", () => {
  const scaled = net(
    [node("Concat", ["still", "twice"], ["scales"], { axis: 0 }), node("Resize", ["a", "", "scales"], ["b"])],
    { still: float32([2], [1, 1]), twice: float32([2], [2, 2]) },
  );

  it("that scales are joined from are known", () => {
    const { traced, groups } = analyse(normalise(scaled));
    expect(traced.refusals).toEqual([]);
    expect(traced.types.get("b")?.shape).toEqual([1, 5, 8, 8]);
    expect(groups).toMatchObject([{ name: "w", inexact: [] }]);
  });

  it("are known to gradients too", () => {
    const gradients = gradientGraph(normalise(scaled), { batch: 2, loss: "mse", train: false, wrt: "parameters" });
    expect(gradients.outputs.map(({ name }) => name)).toEqual(["loss", "grad/w", "grad/v"]);
  });

  it("stay in the graph, since they could be weights", () => {
    expect([...normalise(scaled).initializers.keys()]).toEqual(["w", "v", "still", "twice"]);
    expect(normalise(scaled).nodes.map(({ op }) => op)).toEqual(["Conv", "Concat", "Resize", "Conv"]);
  });

  it("are not folded where there are many", () => {
    const wide = net([node("Concat", ["p", "q"], ["s"], { axis: 0 }), node("Add", ["a", "a"], ["b"])], {
      p: ones([9]),
      q: ones([9]),
    });
    expect(trace(wide).constants.has("s")).toBe(false);
  });
});
