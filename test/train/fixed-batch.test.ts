/** Files that fix their batch, as exporters write them where nobody says otherwise: open where that is right, else worked on at that batch. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compare, evaluate, finetune, load, prune, score, type Dataset, type Model } from "../../src/node.ts";
import { float32, sizeOf, take, type Tensor } from "../../src/graph/tensor.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { fixedBatch } from "../../src/passes/open-batch.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { trace } from "../../src/passes/trace.ts";
import { costsOf } from "../../src/passes/costs.ts";
import { cut as cutGraph } from "../../src/prune/cut/cut.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { prepareOn, withGraph } from "../../src/execute/prepare.ts";
import { difference, runGraph } from "../support/graphs.ts";

const folder = join(import.meta.dirname, "../fixtures/fixed-batch");
const names = readdirSync(folder)
  .filter((file) => file.endsWith(".onnx"))
  .map((file) => file.replace(".onnx", ""));

/** What has no opening, with the reason that is told. */
const fixed: Readonly<Record<string, RegExp>> = {
  "mixed-1": /its output does not follow the batch/,
  "mixed-2": /its output does not follow the batch/,
  "different-2": /its constant ".*" holds other values for each sample/,
};
/** Tokens that are weights are no neurons, though they can go. */
const tokens: Readonly<Record<string, readonly string[]>> = {
  "queries-1": ["add"],
  "queries-2": ["*_once"],
};
const open = names.filter((name) => fixed[name] === undefined);

/** Sums in another order. */
const close = 1e-5;

/** The model, four samples, and what PyTorch gives for each. */
async function read(name: string): Promise<{ model: Model; batch: number; x: Tensor; y: Tensor }> {
  const { shape, x, y } = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
  const model = await load(join(folder, `${name}.onnx`));
  return { model, batch: Number(name.at(-1)), x: float32(shape, x), y: float32([4, y.length / 4], y) };
}

/** The four samples, and as many of them again as are asked for, with the classes 0 to 4. */
function samples(x: Tensor, size: number): Dataset & { readonly classOf: readonly number[] } {
  const labels = Array.from({ length: size }, (_, i) => (i * 3) % 5);
  return {
    name: "samples",
    size,
    classOf: labels,
    // oxlint-disable-next-line require-await
    async *batches({ batchSize, limit = Infinity, dropLast }) {
      for (let from = 0, i = 0; from < size && i < limit; from += batchSize, i++) {
        const count = Math.min(batchSize, size - from);
        if (dropLast && count < batchSize) return;
        const rows = Array.from({ length: count }, (_, row) => (from + row) % 4);
        const target: Tensor = {
          dtype: "int64",
          shape: [count],
          data: BigInt64Array.from(labels.slice(from, from + count).map(BigInt)),
        };
        yield { inputs: { "": take(x, 0, rows) }, target, size: count };
      }
    },
  };
}

/** The mean of -log softmax of the labels. */
function lossOf(y: Tensor, labels: readonly number[]): number {
  const rows = labels.map((label, i) => {
    const row = [...(take(y, 0, [i % 4]).data as Float32Array)];
    return Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[label]!;
  });
  return rows.reduce((a, b) => a + b, 0) / rows.length;
}

it("there are files by both exporters, of one sample and of two", () => {
  expect(open.length).toBeGreaterThan(8);
  expect(names.filter((name) => name.endsWith("-1")).length).toBe(names.length / 2);
});

describe.each(open)("%s", (name) => {
  it("gives every sample of any batch what PyTorch gave, and each part of it at its own batch once it is written", async () => {
    const { model, batch, x, y } = await read(name);
    const opened = await prepareOn(directRuntime, model);
    expect(opened.fixed).toBeUndefined();
    const output = model.graph.outputs[0]!.name;
    for (const count of [1, 3, 4]) {
      const rows = Array.from({ length: count }, (_, i) => i);
      const found = await runGraph(opened.graph, { x: take(x, 0, rows) });
      expect(difference(take(y, 0, rows), found[output]!).largest).toBeLessThan(close);
    }
    const written = withGraph(model, opened.graph);
    expect(written.graph.inputs).toEqual(model.graph.inputs);
    expect(written.graph.outputs).toEqual(model.graph.outputs);
    const rows = Array.from({ length: batch }, (_, i) => 2 + i);
    const again = await runGraph((await load(encodeModel(written))).graph, { x: take(x, 0, rows) });
    expect(difference(take(y, 0, rows), again[output]!).largest).toBeLessThan(close);
  });
});

describe.each(names)("%s is", (name) => {
  it("scored, evaluated, tuned, pruned and compared, whatever its batch", { timeout: 60_000 }, async () => {
    const { model, batch, x, y } = await read(name);
    const told: string[] = [];
    // The last minibatch is not whole, and where samples see each other, every one is.
    const size = name.startsWith("mixed") ? 8 : 9;
    const data = samples(x, size);
    const given = {
      data,
      batchSize: 3,
      threads: 1,
      onFixedBatch: (size: number, why: string) => void told.push(`${size} ${why}`),
    };
    const { loss, samples: seen } = await evaluate(model, given);
    expect(seen).toBe(size);
    expect(loss).toBeCloseTo(lossOf(y, data.classOf), 4);
    const scores = await score(model, { ...given, batches: 2 });
    expect([...scores.values()].every((values) => values.every(Number.isFinite))).toBe(true);
    const tuned = await finetune(model, { ...given, epochs: 1, learningRate: 0.001 });
    const {
      model: small,
      before,
      after,
    } = await prune(model, {
      ...given,
      budget: { macs: 0.8 },
      limits: { keep: tokens[name] ?? [] },
      epochs: 1,
      every: 1,
      learningRate: 0.001,
    });
    expect(after.costs.macs).toBeLessThan(before.costs.macs);
    for (const one of [tuned, small]) {
      expect(one.graph.inputs).toEqual(model.graph.inputs);
      const rows = Array.from({ length: batch }, (_, i) => i);
      const found = await runGraph((await load(encodeModel(one))).graph, { x: take(x, 0, rows) });
      expect(found[model.graph.outputs[0]!.name]!.shape).toEqual([batch, 5]);
    }
    const { samples: compared } = (await compare(model, small, given)).data!;
    expect(compared).toBe(size);
    const line = fixed[name];
    expect(told.length > 0).toBe(line !== undefined);
    for (const one of told) {
      expect(one).toMatch(line!);
      expect(one.startsWith(`${batch} `)).toBe(true);
    }
  });
});

describe("the gradients of gates", () => {
  it.each(open)("of %s are for each sample of a batch what they are for it alone", async (name) => {
    const { model, x } = await read(name);
    const { graph } = await prepareOn(directRuntime, model);
    const labels = [3, 0, 4];
    const gates = async (rows: readonly number[]) => {
      const target: Tensor = {
        dtype: "int64",
        shape: [rows.length],
        data: BigInt64Array.from(rows, (row) => BigInt(labels[row]!)),
      };
      const gradients = gradientGraph(graph, { batch: rows.length, loss: "cross-entropy", wrt: "gates", train: false });
      return runGraph(gradients, { x: take(x, 0, rows), target });
    };
    const [whole, alone] = [await gates([0, 1, 2]), [await gates([0]), await gates([1]), await gates([2])]];
    const groups = Object.keys(whole).filter((output) => output.startsWith("grad/"));
    expect(groups.length).toBeGreaterThan(0);
    for (const group of groups)
      for (const [row, one] of alone.entries())
        expect(difference(one[group]!, take(whole[group]!, 0, [row])).largest).toBeLessThan(close);
  });
});

describe("groups along several digits of one axis", () => {
  it("keep their names when one becomes shorter than another", async () => {
    const { model } = await read("tokens-1");
    const { graph } = await prepareOn(directRuntime, model);
    const groups = analyse(graph, { batch: 3 });
    const sizes = (found: typeof groups) => new Map(found.groups.map(({ name, units }) => [name, units.length]));
    expect([...sizes(groups).values()].filter((size) => size === 4).length).toBe(3);
    for (const { name, units } of groups.groups) {
      const { graph: smaller } = cutGraph(graph, groups, new Map([[name, [1]]]));
      expect(sizes(analyse(smaller, { batch: 3 }))).toEqual(sizes(groups).set(name, units.length - 1));
      // One that is left is no unit, or the only one of its group.
      const most = units.slice(1).map((_, unit) => unit);
      const { graph: smallest } = cutGraph(graph, groups, new Map([[name, most]]));
      const left = sizes(analyse(smallest, { batch: 3 }));
      expect(left.get(name) ?? 1).toBe(1);
      for (const { name: other, units: all } of groups.groups)
        if (other !== name) expect(left.get(other)).toBe(all.length);
    }
  });
});

describe("multiply-accumulates of a sample", () => {
  it.each(open)("of %s are the same at any batch, also of what no sample reaches", async (name) => {
    const { graph } = await prepareOn(directRuntime, (await read(name)).model);
    const costs = [1, 5].map((batch) => costsOf(trace(graph, { batch })));
    expect(costs[1]).toEqual(costs[0]);
  });
});

describe("a model that stays at its batch", () => {
  it("has the gradients of that batch", async () => {
    const { model, x } = await read("different-2");
    const { graph } = await prepareOn(directRuntime, model);
    expect(fixedBatch(graph)).toBe(2);
    const gradients = gradientGraph(graph, { batch: 2, loss: "cross-entropy", wrt: "gates", train: false });
    const target: Tensor = { dtype: "int64", shape: [2], data: BigInt64Array.of(1n, 4n) };
    const found = await runGraph(gradients, { x: take(x, 0, [0, 1]), target });
    const name = Object.keys(found).find((output) => output.startsWith("grad/"));
    expect(found[name!]!.shape).toEqual([2, 8]);
    expect(sizeOf(found[name!]!.shape)).toBe(16);
  });
});
