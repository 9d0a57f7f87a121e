/** Metrics of the user's own: what they are shown, what comes of what they count, and what is said of those that are wrong. */

import { describe, expect, it } from "vitest";
import { checkMetric, lostBetween } from "../../src/evaluate/metrics.ts";
import { compareGraphs, evaluateGraph, prepare, type Graph } from "../../src/graphs-node.ts";
import { dropOf } from "../../src/evaluate/drop.ts";
import { newModel, nodeRuntime, type Metric, type MetricBatch } from "../../src/node.ts";
import { toNumbers } from "../../src/graph/tensor.ts";
import { randomDataset } from "../support/datasets.ts";

const graph = prepare(newModel("lenet5", { classes: 10, seed: 1 }));
const options = { loss: "cross-entropy", batchSize: 16, threads: 1 } as const;
const data = randomDataset(graph, { samples: 40, labels: 10 });

const measure = (metric: unknown, of: Graph = graph) =>
  evaluateGraph(nodeRuntime, of, data, { ...options, metric: metric as Metric });

/** Keeps all that it is shown. */
function recorder(): Metric & { readonly batches: MetricBatch[] } {
  const batches: MetricBatch[] = [];
  return {
    name: "seen",
    better: "higher",
    batches,
    start: () => ({ add: (batch) => void batches.push(batch), result: () => batches.length }),
  };
}

/** Pairs of the largest output and the label. */
const guesses = ({ output, target, size }: MetricBatch): (readonly [number, number])[] => {
  const values = toNumbers(output);
  const classes = values.length / size;
  return toNumbers(target!).map((label, n) => {
    const row = values.slice(n * classes, (n + 1) * classes);
    return [row.indexOf(Math.max(...row)), label] as const;
  });
};

const hits: Metric = {
  name: "hits",
  better: "higher",
  start() {
    let [right, all] = [0, 0];
    return {
      async add(batch) {
        right += guesses(batch).filter(([guess, label]) => guess === label).length;
        all += batch.size;
      },
      result: async () => right / all,
    };
  },
};

describe("a metric", () => {
  it("is shown every sample, once, with its label", async () => {
    const seen = recorder();
    const { metric, samples } = await measure(seen);
    expect(metric).toEqual({ name: "seen", better: "higher", value: 3 });
    expect(seen.batches.map(({ size }) => size)).toEqual([16, 16, 8]);
    expect(samples).toBe(40);
    expect(seen.batches.map(({ output }) => output.shape)).toEqual([
      [16, 10],
      [16, 10],
      [8, 10],
    ]);
    expect(Object.keys(seen.batches[0]!.outputs)).toEqual(["logits"]);
  });

  it("that counts hits is top-1, by promises too", async () => {
    const { metric, top1 } = await measure(hits);
    expect(metric!.value).toBe(top1);
  });

  it("counts anew for every measurement", async () => {
    expect(await measure(hits)).toMatchObject({ metric: (await measure(hits)).metric! });
  });

  it("leaves the other measures as they are", async () => {
    const [{ loss, top1, top5 }, plain] = [await measure(hits), await measure(undefined)];
    expect({ loss, top1, top5 }).toEqual({ loss: plain.loss, top1: plain.top1, top5: plain.top5 });
    expect("metric" in plain).toBe(false);
  });

  it("sees the outputs as the model gives them, where the loss looks at what is in front of a softmax", async () => {
    const [logits] = graph.outputs;
    const softmax: Graph = {
      ...graph,
      nodes: [
        ...graph.nodes,
        {
          op: "Softmax",
          domain: "",
          name: "softmax",
          inputs: [logits!.name],
          outputs: ["probabilities"],
          attributes: { axis: { type: "int", value: -1 } },
        },
      ],
      outputs: [{ ...logits!, name: "probabilities" }, logits!],
    } as Graph;
    const seen = recorder();
    const { loss } = await measure(seen, softmax);
    expect(loss).toBeCloseTo((await measure(undefined)).loss!, 6);
    const { output, outputs } = seen.batches[0]!;
    expect(Object.keys(outputs)).toEqual(["probabilities", "logits"]);
    expect(outputs["probabilities"]).toBe(output);
    const sums = Array.from({ length: 16 }, (_, n) =>
      toNumbers(output)
        .slice(n * 10, (n + 1) * 10)
        .reduce((a, b) => a + b),
    );
    for (const sum of sums) expect(sum).toBeCloseTo(1, 5);
  });

  it("is counted for both models that are compared, with labels and without", async () => {
    const other = prepare(newModel("lenet5", { classes: 10, seed: 2 }));
    const found = await compareGraphs(nodeRuntime, [graph, other], data, { ...options, metric: hits });
    expect(found.metric!.map(({ value }) => value)).toEqual(found.quality!.map(({ top1 }) => top1));
    const [before, after] = found.metric!;
    expect(dropOf(found).drop).toBe(before.value - after.value);
    const spread: Metric = {
      name: "spread",
      better: "lower",
      start() {
        let most = 0;
        return { add: ({ output }) => void (most = Math.max(most, ...toNumbers(output))), result: () => most };
      },
    };
    const unlabelled = randomDataset(graph, { samples: 16 });
    const silent = await compareGraphs(nodeRuntime, [graph, other], unlabelled, { ...options, metric: spread });
    const [a, b] = silent.metric!;
    expect(a.value).not.toBe(b.value);
    expect(dropOf(silent).drop).toBe(b.value - a.value);
  });
});

describe("measures by their names", () => {
  it("say which counts", async () => {
    const { metric, top5 } = await measure("top5");
    expect(metric).toEqual({ name: "top5", better: "higher", value: top5 });
    const found = await compareGraphs(nodeRuntime, [graph, graph], data, { ...options, metric: "agreement" });
    expect(found.metric!.map(({ value }) => value)).toEqual([1, 1]);
  });

  it("are refused where they are not measured", async () => {
    await expect(measure("agreement")).rejects.toThrow(
      /there is no agreement here: only compare and prune have an original/,
    );
    const values = randomDataset(graph, { samples: 16, labels: [10] });
    await expect(
      evaluateGraph(nodeRuntime, graph, values, { ...options, loss: "mse", metric: "top1" }),
    ).rejects.toThrow(/there is no top1 here: it needs labels, one class for each sample, by `loss: "cross-entropy"`/);
  });

  it("that are shares differ by points that are whole counts, all others as they are, in the direction that is worse", () => {
    const value = (name: string, value: number) => ({ name, better: "higher", value }) as const;
    expect(lostBetween(value("top1", 0.3), value("top1", 0.1), 10)).toBe(20);
    expect(lostBetween(value("f1", 0.5), value("f1", 0.25), 10)).toBe(0.25);
    expect(
      lostBetween({ ...value("loss", 0.5), better: "lower" }, { ...value("loss", 0.75), better: "lower" }, 10),
    ).toBe(0.25);
  });
});

describe("what is wrong with a metric is told by its name", () => {
  const start = () => ({ add: () => {}, result: () => 1 });
  const own = { name: "f1", better: "higher", start };

  it.each([
    [
      "a number",
      3,
      /the metric is 3; give top1, top5, agreement, loss, token-accuracy, .*, cosine, or \{ name, better, start\(\) \}/,
    ],
    ["an unknown name", "top2", /the metric is "top2"; give top1/],
    ["no name", { ...own, name: " " }, /the metric has no name/],
    ["the name of another", { ...own, name: "top1" }, /has the name of another measure, top1/],
    ["no direction", { ...own, better: "up" }, /"f1" does not say which values are better/],
    ["no start", { ...own, start: undefined }, /"f1" has no start\(\)/],
  ])("%s", (_, metric, message) => {
    expect(() => checkMetric(metric)).toThrow(message);
  });

  const throws = (): never => {
    throw new Error("nothing\n  here");
  };
  it.each([
    ["a start that throws", { ...own, start: throws }, /the metric "f1" threw "nothing here" in start\(\)/],
    ["a start that gives nothing", { ...own, start: () => undefined }, /start\(\) of the metric "f1" gives no \{ add/],
    [
      "an add that throws",
      { ...own, start: () => ({ ...start(), add: throws }) },
      /threw .* in add\(\) on minibatch 1$/,
    ],
    ["a result that throws", { ...own, start: () => ({ ...start(), result: throws }) }, /threw .* in result\(\)$/],
    [
      "a result that is text",
      { ...own, start: () => ({ ...start(), result: () => "1" }) },
      /gives string, not a number/,
    ],
    [
      "a result that is none",
      { ...own, start: () => ({ ...start(), result: () => 0 / 0 }) },
      /the metric "f1" is NaN over 3/,
    ],
  ])("%s", async (_, metric, message) => {
    await expect(measure(metric)).rejects.toThrow(message);
  });
});
