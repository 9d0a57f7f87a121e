/** The record of a small run, as `secateur prune` writes it. */

import type { GroupRecord, RunConfig, RunRecord, PruneSummary } from "../../src/report/record.ts";

export const config: RunConfig = {
  command: "prune",
  version: "0.5.0",
  started: "2026-01-02T03:04:05.000Z",
  model: { path: "/nets/digits.onnx", sha256: "c0ffee" },
  folder: "/home/me/nets",
  options: {
    data: "mnist:my digits",
    batchSize: 128,
    loss: "cross-entropy",
    seed: 42,
    criterion: "taylor-fo",
    learningRate: 0.02,
    macs: 0.5,
    crop: undefined,
  },
  repeat: "secateur prune digits.onnx --data 'mnist:my digits' --macs 0.5 -o small.onnx",
  versions: { node: "22.12.0", machine: "linux x64, a processor" },
};

const group = (name: string, units: number, removed: number, scale: number): GroupRecord => ({
  name,
  units,
  removed,
  least: 0,
  median: scale,
  most: scale * 10,
  sum: scale * 30,
  leastSums: [0, scale / 4, scale, scale * 3, scale * 9],
});

/** Removals of two groups, with hostile names if asked for. */
export function smallRecords([first, second]: readonly [string, string] = ["conv1.weight", "fc1.weight"]): RunRecord[] {
  const at = (second: number): { time: string } => ({
    time: new Date(Date.UTC(2026, 0, 2, 3, 4, second)).toISOString(),
  });
  const evaluation = (loss: number, top1: number) => ({ loss, top1, top5: 0.99, samples: 1000, samplesPerSecond: 5 });
  const step = (phase: "prune" | "finetune", step: number, loss: number): RunRecord => ({
    ...at(6 + step),
    kind: "step",
    phase,
    step,
    steps: phase === "prune" ? undefined : 3,
    epoch: 1,
    epochs: phase === "prune" ? undefined : 1,
    loss,
    learningRate: 0.01,
  });
  const costs = (macs: number) => ({ macs, params: macs / 10, bytes: macs / 2.5 });
  return [
    {
      ...at(5),
      kind: "start",
      costs: costs(400_000),
      units: 30,
      groups: [
        { name: first, units: 10 },
        { name: second, units: 20 },
      ],
      target: { macs: 200_000 },
      ranking: { criterion: "taylor-fo", normalise: "none", per: "macs" },
    },
    { ...at(6), kind: "evaluation", at: "start", step: 0, units: 30, evaluation: evaluation(0.25, 0.94) },
    step("prune", 1, 0.5),
    {
      ...at(8),
      kind: "removal",
      step: 1,
      loss: 0.5,
      units: 24,
      costs: costs(300_000),
      groups: [group(first, 10, 1, 1e-3), group(second, 20, 5, 1e-5)],
    },
    step("prune", 2, 0.375),
    {
      ...at(9),
      kind: "removal",
      step: 2,
      loss: 0.375,
      units: 18,
      costs: costs(200_000),
      groups: [group(first, 9, 2, 2e-3), group(second, 15, 4, 2e-5)],
    },
    { ...at(10), kind: "pruned", end: "met", removals: 2, units: 18, costs: costs(200_000) },
    { ...at(10), kind: "evaluation", at: "pruned", step: 2, units: 18, evaluation: evaluation(0.375, 0.875) },
    step("finetune", 1, 0.25),
    step("finetune", 2, 0.125),
    step("finetune", 3, 0.1875),
    { ...at(20), kind: "evaluation", at: "end", step: 2, units: 18, evaluation: evaluation(0.125, 0.965) },
  ];
}

export const summary: PruneSummary = {
  end: "met",
  removals: 2,
  proof: { difference: 2.5e-7, elements: 1000, between: [], random: [] },
  before: {
    costs: { macs: 400_000, params: 40_000, bytes: 160_000 },
    units: 30,
    groups: [],
    evaluation: { loss: 0.25, top1: 0.94, top5: 0.99, samples: 1000, samplesPerSecond: 5 },
  },
  after: {
    costs: { macs: 200_000, params: 20_000, bytes: 80_000 },
    units: 18,
    groups: [],
    evaluation: { loss: 0.125, top1: 0.965, top5: 0.99, samples: 1000, samplesPerSecond: 5 },
  },
  drop: -2.5,
  dropInterval: { low: -3.9, high: -1.1 },
  output: "small.onnx",
  inputs: [{ name: "input", dtype: "float32", shape: ["batch", 1, 28, 28] }],
};
