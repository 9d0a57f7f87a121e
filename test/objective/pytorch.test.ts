/** Every loss against PyTorch: the value for each sample, and the gradient of their mean. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Batch } from "../../src/data/batches.ts";
import { openLossMeter } from "../../src/evaluate/loss-meter.ts";
import { targetFeeds } from "../../src/execute/feeds.ts";
import { tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { losses } from "../../src/objective/losses/table.ts";
import { termsOf } from "../../src/objective/terms.ts";
import type { LossSettings } from "../../src/options/loss.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { runGraph } from "../support/graphs.ts";
import { fedBy, lossGraph, type LossCase } from "../support/losses.ts";

const path = new URL("../fixtures/losses.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(path, "utf8")) as { cases: readonly LossCase[] };

const asTensor = ({ dtype, shape, values }: LossCase["output"]): Tensor => tensor(dtype, shape, values);

/** The largest difference, in units of what was expected where that is above 1. */
function far(found: Tensor, { shape, values }: LossCase["output"]): number {
  expect(found.shape).toEqual(shape);
  const numbers = toNumbers(found);
  return Math.max(0, ...values.map((value, i) => Math.abs(numbers[i]! - value) / Math.max(1, Math.abs(value))));
}

/** The values of a case: the output that has the loss, other outputs, inputs, and the batch. */
function setUp(one: LossCase) {
  const loss = one.loss as LossSettings;
  const others = Object.fromEntries(Object.entries(one.others).map(([name, value]) => [name, asTensor(value)]));
  const isOutput = one.loss.kind === "info-nce";
  const outputs = { y: asTensor(one.output), ...(isOutput ? others : {}) };
  const target = one.target ? asTensor(one.target) : undefined;
  const named = one.loss.kind === "next-token" ? (one.loss["tokens"] as string) : "";
  const batch: Batch = {
    inputs: {},
    ...(target && (named === "" ? { target } : { targets: { [named]: target } })),
    size: one.perSample.shape[0]!,
  };
  return { loss, outputs, inputs: isOutput ? {} : others, batch };
}

describe.each(cases.map((one) => [`${one.loss.kind}: ${one.what}`, one] as const))("%s", (_, one) => {
  const { loss, outputs, inputs, batch } = setUp(one);

  it("has PyTorch's values and gradients", async () => {
    const { graph, objective } = lossGraph(outputs, { loss, labelSmoothing: one.labelSmoothing }, inputs);
    const targets = targetFeeds(graph.inputs, objective, batch);
    const fed = Object.fromEntries(
      Object.entries(inputs).filter(([name]) => graph.inputs.some((i) => i.name === name)),
    );
    const results = await runGraph(graph, { ...fedBy(outputs), ...fed, ...targets });
    expect(far(results["samples"]!, one.perSample)).toBeLessThan(1e-5);
    expect(far(results["gradient/y"]!, one.gradient)).toBeLessThan(1e-5);
  });

  // Labels are smoothed to learn from, and not to measure by.
  it.skipIf(one.labelSmoothing > 0)("is measured the same beside a model", async () => {
    const { graph } = lossGraph(outputs, { loss: "mse" }, inputs);
    const shown = {
      ...graph,
      outputs: Object.entries(outputs).map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    };
    await using meter = openLossMeter(directRuntime, { terms: termsOf(shown, loss), files: [] }, { threads: 1 });
    const mean = one.perSample.values.reduce((sum, value) => sum + value, 0) / batch.size;
    const found = await meter.lossOf({ ...inputs, ...outputs }, batch);
    expect(Math.abs(found! - mean)).toBeLessThan(1e-5 * Math.max(1, mean));
  });
});

it("covers every loss", () => {
  const covered = new Set(cases.map(({ loss }) => loss.kind));
  expect(losses.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([]);
});
