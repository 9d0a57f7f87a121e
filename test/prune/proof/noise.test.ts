/** What float32 can tell of a graph is found by rounding its weights otherwise, and nothing that says a size. */

import { expect, it } from "vitest";
import { float32, int64s, type Tensor } from "../../../src/graph/tensor.ts";
import { perturbedFeeds, perturbedGraph } from "../../../src/prune/proof/noise.ts";
import { graphOf, node, value } from "../../onnx/support.ts";
import { noise, runGraph } from "../../support/graphs.ts";

it("rounds weights and inputs by a hair, and leaves what a graph is laid out by", async () => {
  const graph = graphOf({
    inputs: [value("x", [2, 3, 4, 4])],
    outputs: [value("y")],
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      node("Resize", ["c", "", "scales"], ["u"]),
      node("Pow", ["u", "two"], ["y"]),
    ],
    initializers: new Map<string, Tensor>([
      ["w", noise([5, 3, 1, 1], 1)],
      ["scales", float32([4], [1, 1, 2, 1.5])],
      ["two", float32([], [2])],
      ["unread", int64s([3, 4])],
    ]),
  });
  const again = perturbedGraph(graph, 1);
  for (const name of ["scales", "two", "unread"])
    expect(again.initializers.get(name)).toEqual(graph.initializers.get(name));
  const [before, after] = [graph, again].map(({ initializers }) => initializers.get("w")!.data as Float32Array);
  before!.forEach((one, i) => {
    expect(after![i]).not.toBe(one);
    expect(Math.abs(after![i]! - one)).toBeLessThan(2e-6 * Math.abs(one));
  });
  const feeds = { x: noise([2, 3, 4, 4], 2) };
  const [whole, rounded] = [await runGraph(graph, feeds), await runGraph(again, perturbedFeeds(feeds, 1))];
  expect(rounded["y"]!.shape).toEqual([2, 5, 8, 6]);
  expect(whole["y"]!.shape).toEqual([2, 5, 8, 6]);
});
