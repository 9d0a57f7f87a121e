/** Open sizes are chosen small where every pixel of every channel lies along one axis. */

import { expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { int64s } from "../../src/graph/tensor.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { noise, runGraph } from "../support/graphs.ts";
import { graphOf, node, value } from "../onnx/support.ts";

/** Relus of flattened images between two convolutions. */
const net = (flat: boolean): Graph =>
  graphOf({
    inputs: [value("x", ["N", 3, "height", "width"])],
    outputs: [value("y")],
    initializers: new Map([
      ["w", noise([16, 3, 1, 1], 1)],
      ["v", noise([2, 16, 1, 1], 2)],
      ["row", int64s([0, -1])],
    ]),
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("Shape", ["a"], ["shape"]),
      ...(flat ? [node("Reshape", ["a", "row"], ["b"])] : [node("Identity", ["a"], ["b"])]),
      node("Relu", ["b"], ["c"]),
      node("Neg", ["c"], ["d"]),
      node("Reshape", ["d", "shape"], ["e"]),
      node("Conv", ["e", "v"], ["y"]),
    ],
  });

it.each([
  [false, 224],
  [true, 64],
])("flattened: %s", async (flat, size) => {
  const graph = normalise(net(flat));
  expect([...graph.sizes!.values()]).toEqual([size, size]);
  const groups = analyse(graph, { batch: 2 });
  expect(groups.groups.map(({ name, units }) => [name, units.length])).toEqual([["w", 16]]);
  const removal = new Map([["w", [0, 5, 15]]]);
  const small = cut(graph, groups, removal).graph;
  const zeroed = mask(graph, groups, removal);
  for (const sizes of [
    [8, 8],
    [5, 300],
  ]) {
    const feeds = { x: noise([3, 3, ...sizes], 3) };
    const [a, b] = [await runGraph(small, feeds), await runGraph(zeroed, feeds)];
    expect(a["y"]!.shape).toEqual([3, 2, ...sizes]);
    const apart = Array.from(a["y"]!.data as Float32Array, (one, i) => Math.abs(one - Number(b["y"]!.data[i])));
    expect(Math.max(...apart)).toBeLessThan(1e-5);
  }
});
