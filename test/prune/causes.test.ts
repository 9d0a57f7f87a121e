/** What keeps units from being pruned, as `inspect` tells it. */

import { describe, expect, it } from "vitest";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { valueIn } from "../../src/ops/emitter.ts";
import { summarise } from "../../src/prune/summary.ts";
import { modelOf, tinyNet } from "../support/graphs.ts";

const look = (graph: Graph) => summarise(modelOf(graph));

/** The graph as a file that says the types of all values. */
const declared = ({ types }: GraphBuilder, graph: Graph): Graph => ({
  ...graph,
  info: new Map([...types].map(([name, type]) => [name, { name, ...type }])),
});

describe("the causes of what is frozen", () => {
  it("name an unknown operator, what it freezes and what that costs", () => {
    const { builder, g, weight, x, finish } = tinyNet([2, 5, 4]);
    const hidden = g.MatMul(x, weight("w", [4, 6]));
    const strange = g.foreign("com.example", "Mystery", [hidden], {}, hidden.shape);
    const y = g.MatMul(g.Relu(g.MatMul(strange, weight("v", [6, 8]))), weight("u", [8, 3]));
    const summary = look(declared(builder, finish(y)));
    expect(summary.groups.map(({ name }) => name)).toEqual(["v"]);
    expect(summary.causes).toMatchObject([
      { kind: "operator", units: 6, macs: 5 * 4 * 6, count: 1 },
      { kind: "output", units: 3, macs: 5 * 8 * 3 },
    ]);
    expect(summary.causes[0]!.what).toMatch(/^Mystery -> .*: what com.example.Mystery does to its axes is not known$/);
    expect(summary.causes[0]!.advice).toBe("Write it by operators of the ONNX standard and export the model again.");
  });

  it("say of onnxruntime's optimised operators where they come from, all as one", () => {
    const { builder, g, weight, x, finish } = tinyNet([2, 5, 4]);
    const first = g.foreign("com.microsoft", "Attention", [g.MatMul(x, weight("w", [4, 6]))], {}, [2, 5, 6]);
    const second = g.foreign(
      "com.microsoft",
      "LongformerAttention",
      [g.MatMul(first, weight("v", [6, 7]))],
      {},
      [2, 5, 7],
    );
    const [cause] = look(declared(builder, finish(g.MatMul(second, weight("u", [7, 3]))))).causes;
    expect(cause).toMatchObject({ kind: "operator", units: 13, count: 2 });
    expect(cause!.what).toContain("com.microsoft.Attention, com.microsoft.LongformerAttention do to their axes");
    expect(cause!.advice).toContain("optimisation level basic");
  });

  it("name operators that hold weights of which nothing else is known", () => {
    const { builder, g, weight, x, finish } = tinyNet([2, 5, 4]);
    const first = g.foreign("com.microsoft.nchwc", "Conv", [x, weight("w", [4, 6])], {}, [2, 5, 6]);
    const summary = look(declared(builder, finish(g.MatMul(g.Relu(first), weight("v", [6, 3])))));
    expect(summary.causes[0]).toMatchObject({ kind: "operator", units: 0, macs: 0, params: 24 });
  });

  it("name the cache of a decoder", () => {
    const { builder, g, weight, x, finish } = tinyNet([1, 5, 8]);
    const type = { dtype: "float32", shape: [1, 2, 3, 4] } as const;
    const past = ["key", "value"].map((name) => valueIn(builder, builder.input(`past.0.${name}`, type)));
    const project = (name: string) => g.MatMul(x, weight(name, [8, 8]));
    const counts = { q_num_heads: 2, kv_num_heads: 2 };
    const [y, ...present] = g.many(
      "Attention",
      [project("q"), project("k"), project("v"), undefined, ...past],
      counts,
      3,
    );
    const [cause] = look(finish(g.MatMul(y!, weight("o", [8, 3])), ...present)).causes;
    expect(cause).toMatchObject({ kind: "input", names: ["past.0.key"] });
    expect(cause!.what).toMatch(/^its keys and values are the input "past.0.key": the heads/);
    expect(cause!.advice).toContain("without its cache");
  });

  it("name the node that wants axes whole", () => {
    const { g, weight, x, finish } = tinyNet([2, 3, 4]);
    const summed = g.CumSum(
      g.MatMul(x, weight("w", [4, 6])),
      g.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(2n) }),
    );
    const [cause] = look(finish(g.MatMul(summed, weight("v", [6, 3])))).causes;
    expect(cause).toMatchObject({ kind: "rule", units: 6, macs: 3 * 4 * 6 });
    expect(cause!.what).toMatch(/^CumSum -> .* needs axis 2 of .* whole$/);
    expect(cause!.advice).toBeUndefined();
  });

  it("are none of tokens and of images, nor are these listed as frozen", () => {
    const { g, weight, x, finish } = tinyNet([2, 5, 4]);
    const placed = g.Add(x, weight("places", [1, 5, 4]));
    const first = g.Concat(weight("token", [2, 1, 4]), placed, { axis: 1 });
    const summary = look(finish(g.MatMul(g.Relu(g.MatMul(first, weight("w", [4, 6]))), weight("v", [6, 3]))));
    expect(summary.frozen.map(({ name }) => name)).toEqual(["v"]);
    expect(summary.causes.map(({ kind }) => kind)).toEqual(["output"]);
  });
});
