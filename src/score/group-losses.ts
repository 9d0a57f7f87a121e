/**
 * The loss of a group by itself: how far the outputs of the net go when the lesser half of the group is masked,
 * and what its importances say of that.
 */

import type { Scores } from "../criteria/criterion.ts";
import type { Dataset } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import { zeros, type Shape } from "../graph/tensor.ts";
import { valueIn } from "../ops/emitter.ts";
import { widen } from "../passes/widen.ts";
import { insertGates } from "../prune/gates/gated.ts";
import { findGates } from "../prune/gates/gates.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import type { Runtime, Tensors } from "../runtime/port.ts";
import { feedsOf } from "../execute/feeds.ts";
import { wholeBatches } from "../execute/minibatches.ts";
import { finishGraph } from "../objective/backward.ts";
import { appendObjective } from "../objective/objective.ts";
import { executable } from "../execute/executable.ts";
import type { ProviderOptions } from "./provider.ts";

export interface GroupLossOptions extends Pick<ProviderOptions, "batchSize" | "loss" | "device" | "threads"> {
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** The loss of a group, and how many units it had then. */
export interface GroupLoss {
  readonly group: string;
  readonly units: number;
  readonly loss: number;
}

/** A group is measured again when less than this share of its units is left. */
const staleAt = 0.8;
/** All are when less than this share of all units is left. */
const allStaleAt = 0.9;

/** Groups whose losses are to be measured, as they never were or units have gone since. */
export function staleGroups(known: readonly GroupLoss[], importances: Scores): string[] {
  const then = new Map(known.map(({ group, units }) => [group, units]));
  const now = [...importances].map(([group, { length }]) => ({
    group,
    left: length / (then.get(group) ?? Infinity),
    length,
  }));
  const [before, after] = [known.reduce((n, { units }) => n + units, 0), now.reduce((n, { length }) => n + length, 0)];
  const all = after < before * allStaleAt;
  return now.filter(({ left }) => all || left < staleAt).map(({ group }) => group);
}

/** Losses of all groups, of which those are measured anew that are stale. */
export async function freshLosses(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  known: readonly GroupLoss[],
  importances: Scores,
  options: GroupLossOptions,
): Promise<readonly GroupLoss[]> {
  const stale = new Set(staleGroups(known, importances));
  const kept = known.filter(({ group }) => !stale.has(group) && importances.has(group));
  return stale.size === 0
    ? kept
    : [...kept, ...(await groupLosses(runtime, graph, dataset, importances, options, [...stale]))];
}

/**
 * What the importances of each group are to be multiplied by, so that those of its lesser half add up to its loss. A
 * group without importances above 0 is left out.
 */
export function groupScales(losses: readonly GroupLoss[], importances: Scores): Map<string, number> {
  return new Map(
    losses.flatMap(({ group, loss }) => {
      const { sum } = lesserHalf(importances.get(group) ?? new Float64Array(0));
      return sum > 0 ? [[group, loss / sum] as const] : [];
    }),
  );
}

/** Minibatches that are looked at. */
const batches = 2;

/**
 * What masking the lesser half of each group changes: the Kullback-Leibler divergence of the outputs from the
 * unmasked net's, in nats, or for losses of numbers these. It needs no labels and is never below 0. A
 * pruning sensitivity (Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.2), to be shared out
 * by importance ({@link groupScales}).
 *
 * Units of importance 0 or less are no part of the half; a group of no others has a loss of 0.
 *
 * @param graph the model with an open batch, in inference mode
 * @param of the groups; default all that have importances
 */
export async function groupLosses(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  importances: Scores,
  options: GroupLossOptions,
  of: readonly string[] = [...importances.keys()],
): Promise<GroupLoss[]> {
  const { batchSize, seed, signal } = options;
  const { finished, inputs, references, units } = maskable(graph, options);
  const halves = of.flatMap((group) =>
    units.has(group) ? [{ group, half: lesserHalf(importances.get(group)!).half }] : [],
  );
  const changes = new Map(halves.map(({ group }) => [group, 0]));
  const whole = new Map([...units].map(([name, count]) => [`mask/${name}`, ones(count)]));
  await using session = await runtime.load(executable(finished, options.device), options);
  let done = 0;
  const given = { batchSize, shuffle: true, seed, epoch: 0, limit: batches, signal };
  for await (const batch of wholeBatches(dataset, given)) {
    const feeds = { ...feedsOf({ inputs }, batch), ...Object.fromEntries(whole) };
    const run = (more: Tensors) => session.run({ ...feeds, ...more });
    const blank = references.map(({ input, shape }) => [input, zeros("float32", shape)] as const);
    const found = await run(Object.fromEntries(blank));
    const unmasked = Object.fromEntries(references.map(({ input, value }) => [input, found[value]!]));
    for (const { group, half } of halves) {
      signal?.throwIfAborted();
      if (half.length === 0) continue;
      const mask = ones(units.get(group)!);
      for (const unit of half) mask.data[unit] = 0;
      const results = await run({ ...unmasked, [`mask/${group}`]: mask });
      changes.set(group, changes.get(group)! + Number(results["loss"]!.data[0]));
    }
    done++;
  }
  return halves.map(({ group }) => ({ group, units: units.get(group)!, loss: changes.get(group)! / done }));
}

const ones = (count: number) => ({ dtype: "float32", shape: [count], data: new Float32Array(count).fill(1) }) as const;

/** The least important half of the units that have any importance, and the sum of theirs. */
function lesserHalf(scores: Float64Array): { readonly half: readonly number[]; readonly sum: number } {
  const order = [...scores.keys()]
    .filter((unit) => scores[unit]! > 0 && scores[unit]! < Infinity)
    .sort((a, b) => scores[a]! - scores[b]!);
  const half = order.slice(0, Math.ceil(order.length / 2));
  return { half, sum: half.reduce((sum, unit) => sum + scores[unit]!, 0) };
}

/** The net with a mask for each group, and as its loss how far its outputs are from references that are given. */
function maskable(graph: Graph, { batchSize: batch, loss }: GroupLossOptions) {
  const analysis = analyse(widen(graph), { batch });
  const { inputs, outputs } = analysis.traced.graph;
  const { builder } = insertGates(analysis, findGates(analysis), (b, _, { name, units }) =>
    valueIn(b, b.input(`mask/${name}`, { dtype: "float32", shape: [units.length] }, true)),
  );
  const names = outputs.map(({ name }) => name);
  const { teachers } = appendObjective(builder, names, { loss, distillation: { weight: 1, temperature: 1 } });
  const finished = finishGraph(builder, ["loss", ...new Set(teachers.map(({ value }) => value))]);
  const references = teachers.map(({ input, value }) => {
    const { shape } = finished.inputs.find(({ name }) => name === input)!;
    return { input, value, shape: shape as Shape };
  });
  return {
    finished,
    inputs,
    references,
    units: new Map(analysis.groups.map((group) => [group.name, group.units.length])),
  };
}
