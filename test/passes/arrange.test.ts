/** Another order of nodes in the file: what is computed is the same, with less alive at once. */

import { expect, it } from "vitest";
import { verify } from "../../src/graph/verify.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { arrange } from "../../src/passes/arrange.ts";
import { timelineOf } from "../../src/passes/timeline.ts";
import { newBuilder, random, runGraph } from "../support/graphs.ts";

it("what nobody else waits for is computed as soon as it can be", async () => {
  const size = 1000;
  const builder = newBuilder();
  const g = createEmitter(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [size] }));
  // A gradient that comes back, and of which each value is summed up: the sum of the last stands last, and is run first.
  const back = [g.Sin(x)];
  for (let i = 1; i < 6; i++) back.push(g.Sin(back.at(-1)!));
  const sums = back.map((value) => g.ReduceSum(g.Exp(value), g.ints([0])));
  const graph = builder.finish(sums.map(({ name }) => name));
  const arranged = arrange(graph);
  verify(arranged);
  expect(new Set(arranged.nodes)).toEqual(new Set(graph.nodes));
  const alive = (one: typeof graph): number => timelineOf(one, builder.types).most;
  expect(alive(graph)).toBeGreaterThan(6 * 4 * size);
  expect(alive(arranged)).toBeLessThan(3 * 4 * size);
  const next = random(1);
  const feeds = { x: { dtype: "float32", shape: [size], data: Float32Array.from({ length: size }, next) } as const };
  expect(await runGraph(arranged, feeds)).toEqual(await runGraph(graph, feeds));
});
