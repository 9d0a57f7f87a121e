/** What masking half of a group does to the outputs, and how importances are scaled by it. */

import { describe, expect, it } from "vitest";
import { loadModel } from "../../src/onnx/load.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { selectStep } from "../../src/prune/select/select.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { feedsOf } from "../../src/execute/feeds.ts";
import { freshLosses, groupLosses, groupScales, staleGroups } from "../../src/score/group-losses.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { evaluationGraph } from "../../src/evaluate/evaluation-graph.ts";
import { executable } from "../../src/execute/executable.ts";
import { randomDataset } from "../support/datasets.ts";
import { readNetModel } from "../support/reference.ts";

const graph = prepare(loadModel(readNetModel("residual-conv")));
const groups = analyse(graph);
const data = randomDataset(graph, { samples: 8, labels: 3 });
const options = { batchSize: 8, seed: 0, threads: 1 } as const;
/** Unit i matters i + 1, and the first one nothing. */
const importances = new Map(
  groups.groups.map(({ name, units }) => [name, Float64Array.from(units, (_, i) => (i === 0 ? 0 : i + 1))]),
);

async function outputsOf(of: Graph, loss: "cross-entropy" | "mse"): Promise<number[][]> {
  const scored = evaluationGraph(of, loss);
  const session = await directRuntime.load(executable(scored.graph), { threads: 1 });
  const all: number[][] = [];
  for await (const batch of data.batches({ batchSize: 8, shuffle: true, seed: 0, epoch: 0 })) {
    const { shape, data: values } = scored.logits(await session.run(feedsOf(of, batch)));
    const width = values.length / shape[0]!;
    for (let n = 0; n < shape[0]!; n++) all.push(Array.from(values.slice(n * width, (n + 1) * width) as Float32Array));
  }
  await session.dispose();
  return all;
}

const softmax = (logits: readonly number[]): number[] => {
  const all = logits.map(Math.exp);
  const sum = all.reduce((a, b) => a + b);
  return all.map((x) => x / sum);
};
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const apart = {
  "cross-entropy": (a: readonly number[], b: readonly number[]): number => {
    const [p, q] = [softmax(a), softmax(b)];
    return sum(p.map((x, i) => x * Math.log(x / q[i]!)));
  },
  mse: (a: readonly number[], b: readonly number[]): number => sum(a.map((x, i) => (x - b[i]!) ** 2)) / a.length,
};

describe.each(["cross-entropy", "mse"] as const)("with %s, the scale of a group", (loss) => {
  it("makes the importances of its lesser half add up to what masking that half changes, without labels", async () => {
    const losses = await groupLosses(directRuntime, graph, data, importances, { ...options, loss });
    const scales = groupScales(losses, importances);
    expect([...scales.keys()]).toEqual(groups.groups.map(({ name }) => name));
    const whole = await outputsOf(graph, loss);
    for (const { name, units } of groups.groups) {
      // Of the units that matter at all, half.
      const half = Array.from({ length: Math.ceil((units.length - 1) / 2) }, (_, i) => i + 1);
      const masked = await outputsOf(mask(graph, groups, new Map([[name, half]])), loss);
      const changed = sum(whole.map((row, n) => apart[loss](row, masked[n]!))) / whole.length;
      expect(changed).toBeGreaterThan(0);
      const claimed = sum(half.map((unit) => importances.get(name)![unit]!));
      expect(scales.get(name)! * claimed, name).toBeCloseTo(changed, 6);
    }
  });
});

it("a group without importance has no scale, and no labels are asked for", async () => {
  const [first] = groups.groups;
  const dead = new Map([...importances].map(([name, all]) => [name, name === first!.name ? all.map(() => 0) : all]));
  const unlabelled = randomDataset(graph, { samples: 8 });
  const losses = await groupLosses(directRuntime, graph, unlabelled, dead, { ...options, loss: "cross-entropy" });
  expect(losses[0]).toEqual({ group: first!.name, units: first!.units.length, loss: 0 });
  expect([...groupScales(losses, dead).keys()]).toEqual(groups.groups.slice(1).map(({ name }) => name));
});

describe("losses are measured again", () => {
  const of = (a: number, b: number) =>
    new Map([
      ["a", new Float64Array(a)],
      ["b", new Float64Array(b)],
    ]);
  const known = [
    { group: "a", units: 10, loss: 1 },
    { group: "b", units: 90, loss: 2 },
  ];

  it("of a group that has lost a fifth of its units, and of all when a tenth of all units is gone", () => {
    expect(staleGroups([], of(10, 90))).toEqual(["a", "b"]);
    expect(staleGroups(known, of(8, 88))).toEqual([]);
    expect(staleGroups(known, of(7, 90))).toEqual(["a"]);
    expect(staleGroups(known, of(10, 79))).toEqual(["a", "b"]);
  });

  it("and those of other groups are kept", async () => {
    const [first, ...others] = groups.groups.map(({ name, units }) => ({ group: name, units: units.length, loss: 7 }));
    const old = [{ ...first!, units: Math.ceil(first!.units / 0.75) }, ...others];
    const gone = { group: "gone", units: 0, loss: 1 };
    const args = [directRuntime, graph, data] as const;
    const fresh = await freshLosses(...args, [...old, gone], importances, { ...options, loss: "mse" });
    const names = fresh.filter(({ loss }) => loss === 7).map(({ group }) => group);
    expect(names).toEqual(others.map(({ group }) => group));
    expect(fresh.map(({ group }) => group).toSorted()).toEqual([...importances.keys()].toSorted());
  });
});

it("units are chosen by scaled importances, and not where nothing was measured", () => {
  const names = groups.groups.map(({ name }) => name);
  const last = names.at(-1)!;
  const scales = new Map(names.map((name) => [name, name === last ? 1e-6 : 1]));
  // One of each matters nothing and goes first; then what was scaled down.
  const choose = (choice: object) =>
    selectStep(groups, importances, names.length + 2, { units: 0 }, { normalise: "loss", ...choice }).removal;
  expect(choose({ scales }).get(last)).toEqual([0, 1, 2]);
  expect(() => choose({})).toThrow(/measured on data/);
});
