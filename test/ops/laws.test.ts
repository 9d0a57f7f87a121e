/** The laws that every operator obeys, on every one of its samples; the oracle is the runtime. */

import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import { isFloat, sizeOf, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import type { Op, Sample, Value } from "../../src/ops/core/define.ts";
import { createEmitter, emitNode, valueIn } from "../../src/ops/emitter.ts";
import { ops } from "../../src/ops/table.ts";
import type { OpName } from "../../src/ops/core/names.ts";
import { removeDead } from "../../src/passes/dead.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { isTensor, newBuilder, random, readAs, runGraph, shuffled } from "../support/graphs.ts";
import { ofSample } from "../support/laws.ts";

/** Central differences in float32 over a step of a third of the spacing of the values: about 1e-3 is noise. */
const gradientTolerance = 1e-2;
const cutTolerance = 1e-5;

/** Distinct values, evenly spread over the range and never within half a spacing of each other. */
function spread(shape: Shape, [low, high]: readonly [number, number], next: () => number): Tensor {
  const n = sizeOf(shape);
  const data = Float32Array.from(shuffled(n, next), (i) => low + ((i + 0.5) / n) * (high - low));
  return { dtype: "float32", shape, data };
}

interface Case {
  readonly builder: GraphBuilder;
  readonly inputs: (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly feeds: Record<string, Tensor>;
}

/** The operator alone, its float inputs as inputs of the graph. */
function single(op: Op, sample: Sample, seed: number): Case {
  const builder = newBuilder();
  const next = random(seed);
  const feeds: Record<string, Tensor> = {};
  const inputs = sample.inputs.map((input, i) => {
    if (input === null) return undefined;
    if (isTensor(input)) return valueIn(builder, builder.constant(input, `k${i}`));
    const name = builder.input(`x${i}`, { dtype: "float32", shape: input });
    feeds[name] = spread(input, sample.range ?? [-1, 1], next);
    return readAs(builder, valueIn(builder, name), sample.of);
  });
  const outputs = emitNode(builder, op.key as OpName, inputs, sample.attributes ?? {}, sample.outputs ?? 1);
  return { builder, inputs, outputs, feeds };
}

for (const op of ops.values()) {
  describe(op.key, () => {
    it("has samples", () => expect(op.samples.length).toBeGreaterThan(0));

    op.samples.forEach((sample, n) => {
      it(`shape: the rule says what the runtime returns (sample ${n})`, async () => {
        const { builder, outputs, feeds } = single(op, sample, n + 1);
        const results = await runGraph(builder.finish(outputs.map((y) => y.name)), feeds);
        for (const y of outputs) {
          expect(results[y.name]!.shape).toEqual(y.shape);
          expect(results[y.name]!.dtype).toBe(y.dtype);
        }
      });

      const differentiable = op.gradient !== "stop" && sample.inputs.some((x) => x !== null && !isTensor(x));
      it.runIf(differentiable)(`gradient: agrees with differences (sample ${n})`, ofSample(n), async () => {
        const { builder, outputs, feeds } = single(op, sample, n + 101);
        const next = random(n + 7);
        const floats = outputs.filter((y) => isFloat(y.dtype) && y.dtype === "float32");
        const names = Object.keys(feeds);
        const forward = builder.finish(outputs.map((y) => y.name));
        const seeds = floats.map((value) => ({
          value,
          tensor: spread(value.shape, [-0.5, 1], next),
        }));
        if (seeds.length === 0) return;
        const g = createEmitter(builder);
        const gradients = differentiate(
          builder,
          seeds.map(({ value, tensor }) => ({ value, seed: g.constant(tensor) })),
          names,
        );
        const wanted = names.flatMap((name) => gradients.get(name) ?? []);
        const results = await runGraph(removeDead(builder.finish(wanted.map((v) => v.name))), feeds);
        const loss = async (at: Record<string, Tensor>) => {
          const ys = await runGraph(forward, at);
          return seeds.reduce((sum, { value, tensor }) => sum + dot(ys[value.name]!, tensor), 0);
        };
        for (const name of names) {
          const gradient = gradients.get(name);
          if (gradient === undefined) continue;
          expect(gradient.shape).toEqual(feeds[name]!.shape);
          // Not around 0, or a gradient that is off by a constant would agree.
          const direction = spread(feeds[name]!.shape, [-0.5, 1], next);
          const [low, high] = sample.range ?? [-1, 1];
          const step = Math.min(0.01, (high - low) / sizeOf(feeds[name]!.shape) / 3);
          const moved = (by: number) => ({ ...feeds, [name]: plus(feeds[name]!, direction, by) });
          const numeric = ((await loss(moved(step))) - (await loss(moved(-step)))) / (2 * step);
          const exact = dot(results[gradient.name]!, direction);
          const scale = Math.max(
            Math.abs(numeric),
            Math.sqrt(dot(results[gradient.name]!, results[gradient.name]!)),
            1e-2,
          );
          expect(Math.abs(exact - numeric) / scale, `${name}: ${exact} against ${numeric}`).toBeLessThan(
            gradientTolerance,
          );
        }
      });

      const computed = { weights: false, name: "zeroing them" };
      const stored = { weights: true, name: "zeroing them where weights are stored, and so not zeroed" };
      const several = sample.inputs.filter((x) => x !== null && !isTensor(x)).length > 1;
      it.each(several ? [computed, stored] : [computed])(
        `cut: removing units equals $name (sample ${n})`,
        ofSample(n),
        async (form) => {
          const { graph, feeds } = insideNet(op, sample, n + 11, form.weights);
          const found = analyse(graph);
          // Where the law cannot hold the rule says so; that those cuts run is what proofs show.
          const groups = { ...found, groups: found.groups.filter(({ inexact }) => inexact.length === 0) };
          const next = random(n + 3);
          for (let round = 0; round < 3; round++) {
            const removal = new Map(
              groups.groups.map((group) => [
                group.name,
                shuffled(group.units.length, next).slice(0, Math.floor(next() * group.units.length)),
              ]),
            );
            const small = cut(graph, groups, removal).graph;
            const masked = await runGraph(mask(graph, groups, removal), feeds);
            const pruned = await runGraph(small, feeds);
            for (const { name } of graph.outputs) {
              const [a, b] = [masked[name]!.data as Float32Array, pruned[name]!.data as Float32Array];
              const scale = Math.max(1, ...Array.from(a, Math.abs));
              expect(b.length).toBe(a.length);
              a.forEach((x, i) => expect(Math.abs(x - b[i]!) / scale).toBeLessThan(cutTolerance));
            }
          }
        },
      );
    });
  });
}

/**
 * The operator in a net whose every axis may be cut unless the operator says otherwise: float inputs are weights times an input
 * that is 1, float outputs are weighted and summed. With `stored` only the first float input is computed so.
 */
function insideNet(op: Op, sample: Sample, seed: number, stored: boolean) {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const next = random(seed);
  const one = valueIn(builder, builder.input("one", { dtype: "float32", shape: [] }));
  const first = sample.inputs.findIndex((x) => x !== null && !isTensor(x));
  const inputs = sample.inputs.map((input, i) => {
    if (input === null) return undefined;
    if (isTensor(input)) return valueIn(builder, builder.constant(input, `k${i}`));
    const weight = builder.fresh(`w${i}`);
    // No two inputs are equal: onnxruntime merges equal ones, and BatchNormalization then overwrites one through the other.
    const [low, high] = sample.range ?? [-1, 1];
    builder.initializers.set(weight, spread(input, [low, high - i / 100], next));
    builder.types.set(weight, { dtype: "float32", shape: input });
    const own = valueIn(builder, weight);
    return readAs(builder, stored && i !== first ? own : g.Mul(own, one), sample.of);
  });
  const outputs = emitNode(builder, op.key as OpName, inputs, sample.attributes ?? {}, sample.outputs ?? 1);
  const sums = outputs.map((y, i) => {
    const value = y.dtype === "float32" ? y : g.Cast(y, { to: 1 });
    const weight = builder.fresh(`v${i}`);
    builder.initializers.set(weight, spread(y.shape, [-1, 1], next));
    builder.types.set(weight, { dtype: "float32", shape: y.shape });
    return g.summed(
      g.Mul(value, valueIn(builder, weight)),
      y.shape.map((_, axis) => axis),
    );
  });
  return {
    graph: builder.finish(sums.map((v) => v.name)),
    feeds: { one: { dtype: "float32" as const, shape: [], data: Float32Array.of(1) } },
  };
}

function dot(a: Tensor, b: Tensor): number {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

function plus(a: Tensor, b: Tensor, by: number): Tensor {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  return { ...a, data: x.map((value, i) => value + by * y[i]!) };
}
