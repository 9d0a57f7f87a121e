/** What a training graph is written as for the runtime, and that its optimiser is left out. */

import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "../../src/onnx/schema/onnx_pb.ts";
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { sizeOf, tensor, type Tensor } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { LoadOptions, Runtime } from "../../src/runtime/port.ts";
import { nodeRuntime } from "../../src/runtime/workers-node.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { fuseProducts, loadable, executable } from "../../src/execute/executable.ts";
import { stepGraph } from "../../src/train/step.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { newBuilder, random, tinyNet } from "../support/graphs.ts";
import { relativeError } from "../support/reference.ts";
import { feedsOf } from "../support/steps.ts";

describe("the runtime's optimiser", () => {
  it.each([1, 2])("is left out of training on the CPU, which learns the same: %i workers", async (workers) => {
    const graph = prepare(newModel("lenet5", { classes: 10, seed: 1 }));
    const asked: LoadOptions[] = [];
    const spied = (base: Runtime, always: boolean): Runtime => ({
      name: base.name,
      threads: base.threads,
      worker: (number) => spied(base.worker?.(number) ?? base, always),
      load(model, options = {}) {
        asked.push(options);
        return base.load(model, always ? { ...options, optimise: true } : options);
      },
    });
    const losses = async (always: boolean) => {
      const options = { batch: 16, loss: "cross-entropy", threads: 1, workers } as const;
      await using trainer = await openTrainer(
        spied(workers === 1 ? directRuntime : nodeRuntime, always),
        graph,
        options,
      );
      const next = random(2);
      const image = {
        dtype: "float32",
        shape: [16, 1, 28, 28],
        data: Float32Array.from({ length: 16 * 784 }, next),
      } as const;
      const target = {
        dtype: "int64",
        shape: [16],
        data: BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i % 10)),
      } as const;
      const found: number[] = [];
      for (let i = 0; i < 3; i++)
        found.push((await trainer.step({ inputs: { "": image }, target, size: 16 }, 0.1)).loss);
      return found;
    };
    const [optimised, plain] = [await losses(true), await losses(false)];
    expect(asked.filter(({ optimise }) => optimise === false).length).toBeGreaterThanOrEqual(2 * workers);
    expect(plain[2]).toBeLessThan(plain[0]!);
    plain.forEach((loss, i) => expect(Math.abs(loss - optimised[i]!)).toBeLessThan(1e-5));
  });
});

async function run(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Tensor> {
  const session = await directRuntime.load(executable(graph), { threads: 1, optimise: false });
  const [result] = Object.values(await session.run(feeds));
  await session.dispose();
  return result!;
}

describe("products", () => {
  const perm = [0, 1, 3, 2];
  it.each<[string, number[] | undefined, number[] | undefined, number]>([
    ["A", perm, undefined, 1],
    ["B", undefined, perm, 1],
    ["both", perm, perm, 1],
    ["neither", undefined, undefined, 1],
    ["A by other axes", [2, 1, 0, 3], undefined, 2],
  ])("of transposed values are one node: %s", async (_name, permA, permB, count) => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const next = random(3);
    const feeds: Record<string, Tensor> = {};
    const input = (name: string, shape: number[], order: number[] | undefined): Value => {
      const given = order ? order.map((_, axis) => shape[order.indexOf(axis)]!) : shape;
      feeds[name] = tensor("float32", given, Array.from({ length: sizeOf(given) }, next));
      const value = valueIn(builder, builder.input(name, { dtype: "float32", shape: given }));
      return order ? g.Transpose(value, { perm: order }) : value;
    };
    const graph = builder.finish([g.MatMul(input("a", [2, 3, 4, 5], permA), input("b", [2, 3, 5, 6], permB)).name]);
    const fused = fuseProducts(graph, builder.types);
    expect(fused.nodes).toHaveLength(count);
    const [found, expected] = [await run(fused, feeds), await run(graph, feeds)];
    expect(found.shape).toEqual([2, 3, 4, 6]);
    expect(relativeError(found.data as Float32Array, expected.data as Float32Array)).toBeLessThan(1e-6);
  });

  it.each([
    [0, 0, 1],
    [0, 1, 1],
    [1, 0, 0.5],
    [1, 1, 2],
  ])("of two matrices are one too: transA %i, transB %i, alpha %f", async (transA, transB, alpha) => {
    const { g, weight, x, finish, feeds, builder } = tinyNet(transA ? [4, 3] : [3, 4]);
    const W = weight("W", transB ? [5, 4] : [4, 5]);
    const graph = finish(g.Gemm(x, W, { transA, transB, alpha, beta: 0.3 }));
    const fused = fuseProducts(graph, builder.types);
    expect(fused.nodes.map(({ op }) => op)).toEqual(["FusedMatMul"]);
    const [found, expected] = [await run(fused, feeds), await run(graph, feeds)];
    expect(found).toEqual(expected);
  });

  it("with something added stay as they are", () => {
    const { g, weight, x, finish, builder } = tinyNet([3, 4]);
    const graph = finish(g.Gemm(x, weight("W", [4, 5]), weight("b", [5])));
    expect(fuseProducts(graph, builder.types)).toEqual(graph);
  });

  it("stay as they are in a type that the fused kernel does not take", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const input = (name: string) => valueIn(builder, builder.input(name, { dtype: "float64", shape: [3, 4, 4] }));
    const graph = builder.finish([g.MatMul(input("a"), g.Transpose(input("b"), { perm: [0, 2, 1] })).name]);
    expect(fuseProducts(graph, builder.types)).toEqual(graph);
  });

  it("make of a step what the optimiser makes of it, to the byte, and are left to it on other devices", async () => {
    const { g, weight, x, finish } = tinyNet([4, 6, 5, 5]);
    const pointwise = g.Relu(g.Conv(x, weight("W", [8, 6, 1, 1])));
    const step = stepGraph(finish(g.Gemm(g.Flatten(g.GlobalAveragePool(pointwise)), weight("V", [8, 3]))), {
      batch: 4,
      loss: "cross-entropy",
    });
    expect(step.graph.nodes.filter(({ op }) => op === "MatMul").length).toBeGreaterThan(0);
    const [own, other] = [loadable(step), loadable(step, "cuda")];
    expect([own.optimise, other.optimise]).toEqual([false, true]);
    expect([own, other].map(({ model }) => Buffer.from(model.bytes).includes("FusedMatMul"))).toEqual([true, false]);
    const run = async ({ model, optimise }: typeof own) => {
      const session = await directRuntime.load(model, { threads: 1, optimise });
      const results = await session.run(feedsOf(step));
      await session.dispose();
      return results;
    };
    expect(await run(own)).toEqual(await run(other));
    // Nothing is said of shapes, and integers, of which shapes would follow, need not be what they are by default.
    const { input, output, valueInfo } = fromBinary(ModelProtoSchema, own.model.bytes).graph!;
    const shapes = [...input, ...output].map(({ type }) => (type!.value.value as { shape?: unknown }).shape);
    expect([...new Set(shapes), ...valueInfo]).toEqual([undefined]);
    const integers = [...step.graph.initializers].filter(([, { dtype }]) => dtype === "int64");
    expect(integers.length).toBeGreaterThan(0);
    expect(input.map(({ name }) => name)).toEqual(expect.arrayContaining(integers.map(([name]) => name)));
    const session = await directRuntime.load(own.model, { optimise: false });
    expect(session.inputs).toEqual(step.graph.inputs.map(({ name }) => name));
    await session.dispose();
  });
});
