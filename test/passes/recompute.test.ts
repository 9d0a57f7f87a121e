/** What is computed again instead of kept: less is alive at once, and every output is what it was, bit for bit. */

import { describe, expect, it } from "vitest";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { verify } from "../../src/graph/verify.ts";
import type { Value } from "../../src/ops/core/define.ts";
import type { Emit } from "../../src/ops/core/emit.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { recompute, type Recomputed } from "../../src/passes/recompute.ts";
import { timelineOf } from "../../src/passes/timeline.ts";
import { newBuilder, random, runGraph } from "../support/graphs.ts";

const size = 1000;
const bytes = 4 * size;

interface Built {
  readonly graph: Graph;
  readonly builder: GraphBuilder;
}

/** A graph of one input x [1000]. */
function build(write: (g: Emit, x: Value) => Value): Built {
  const builder = newBuilder();
  const y = write(createEmitter(builder), valueIn(builder, builder.input("x", { dtype: "float32", shape: [size] })));
  return { builder, graph: builder.finish([y.name]) };
}

/** Some steps that take one value at a time. */
function long(g: Emit, x: Value): Value {
  let last = x;
  for (let i = 0; i < 6; i++) last = i % 2 === 0 ? g.Sin(last) : g.Cos(last);
  return last;
}

const least = ({ graph, builder }: Built): Recomputed => recompute(graph, builder.types, 0);
const aliveIn = ({ graph, builder }: Built): number => timelineOf(graph, builder.types).most;
const opsOf = ({ graph }: Recomputed): string[] =>
  graph.nodes.filter(({ outputs }) => outputs[0]!.includes("/again")).map(({ op }) => op);

async function expectSame({ graph }: Built, other: Graph): Promise<void> {
  verify(other);
  const next = random(1);
  const x = {
    dtype: "float32",
    shape: [size],
    data: Float32Array.from({ length: size }, () => next() * 2 - 1),
  } as const;
  expect(await runGraph(other, { x })).toEqual(await runGraph(graph, { x }));
}

/** What is not computed twice. */
const product = (g: Emit, x: Value): Value =>
  g.reshaped(g.MatMul(g.reshaped(x, [100, 10]), g.filled(0.1, [10, 10])), [size]);

/** Three values that are read at once, and again at the end. */
const three = build((g, x) => {
  const [a, b, c] = [g.Tanh(x), g.Sin(x), g.Exp(x)];
  return g.Mul(g.Mul(g.Mul(long(g, g.Add(g.Add(a, b), c)), c), b), a);
});

describe("what waits for a late reader", () => {
  it("is computed again", async () => {
    expect(aliveIn(three)).toBe(5 * bytes);
    const found = least(three);
    // The last products hold three values at once, whatever is done.
    expect(found).toMatchObject({ activations: 3 * bytes, repeated: 2 });
    for (const op of opsOf(found)) expect(["Exp", "Sin", "Tanh"]).toContain(op);
    await expectSame(three, found.graph);
  });

  it("is kept as far as there is room", () => {
    const within = (limit: number): number => recompute(three.graph, three.builder.types, limit).repeated;
    expect([5, 4, 3].map((values) => within(values * bytes))).toEqual([0, 1, 2]);
    expect(recompute(three.graph, three.builder.types, 5 * bytes).graph).toBe(three.graph);
  });

  it("is made of what little is kept for it, and of what has to be computed again itself", async () => {
    const one = build((g, x) => {
      const mean = g.ReduceMean(g.Neg(x), g.ints([0]));
      const [a, b] = [g.Sub(g.Sqrt(g.Abs(x)), mean), product(g, x)];
      return g.Mul(g.Mul(long(g, g.Add(a, b)), b), a);
    });
    const found = least(one);
    expect(opsOf(found).toSorted()).toEqual(["Abs", "Sqrt", "Sub"]);
    expect(found.activations).toBeLessThan(aliveIn(one));
    await expectSame(one, found.graph);
  });

  it("may be seen in another shape", async () => {
    const one = build((g, x) => {
      const [a, b] = [g.Sin(x), g.Exp(x)];
      const square = g.reshaped(a, [10, 100]);
      const last = long(g, g.Add(g.reshaped(g.Neg(square), [size]), b));
      return g.Mul(g.reshaped(g.Mul(g.reshaped(last, [10, 100]), square), [size]), b);
    });
    const { stores, storeOf } = timelineOf(one.graph, one.builder.types);
    expect([...stores.values()].filter(({ name }) => storeOf(name)!.name !== name)).toEqual([]);
    const found = least(one);
    expect(opsOf(found).toSorted()).toEqual(["Exp", "Reshape", "Sin"]);
    expect(found.activations).toBe(3 * bytes);
    await expectSame(one, found.graph);
  });
});

describe("what is kept all the same", () => {
  it.each<[string, (g: Emit, x: Value) => Value]>([
    ["a product of matrices", product],
    [
      "what is drawn at random",
      (g, x) => g.Dropout(x, g.scalar(0.5), g.constant({ dtype: "bool", shape: [], data: Uint8Array.of(1) })),
    ],
  ])("%s", (_name, make) => {
    const one = build((g, x) => {
      const early = make(g, x);
      return g.Mul(long(g, early), early);
    });
    expect(least(one)).toEqual({ graph: one.graph, repeated: 0, activations: aliveIn(one) });
  });

  it("an output of the graph", () => {
    const { builder } = three;
    const graph = {
      ...three.graph,
      outputs: [...three.graph.outputs, { name: three.graph.nodes[0]!.outputs[0]!, dtype: "float32" as const }],
    };
    const found = recompute(graph, builder.types, 0);
    expect(opsOf(found)).not.toContain(three.graph.nodes[0]!.op);
    expect(found.repeated).toBeGreaterThan(0);
  });
});
