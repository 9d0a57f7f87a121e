/** What the sliders choose: figures at once, and the model that comes of it. */

import { cut, encodeModel, formatPlan, SecateurError, type Costs, type Model } from "secateur";
import { createCostModel, measureLatency, removalPath, type CostModel, type PathStep } from "secateur/graph";
import type { Calls, Calling, Choice, CutView, LatencyView, Preview } from "./calls.ts";
import { opened } from "./models.ts";
import { inWords, machine, runtime } from "./runtime.ts";
import { scoresNow } from "./score.ts";

/** What a ranking comes to, for all budgets. */
interface Ranked {
  readonly key: string;
  readonly of: object;
  readonly path: readonly PathStep[];
  readonly costs: CostModel;
  readonly total: number;
}

let ranked: Ranked | undefined;
let made: { readonly of: Model; readonly model: Model } | undefined;

function rankedFor({ roundTo, normalise, per }: Choice): Ranked {
  const { analysis } = opened();
  const { scores } = scoresNow();
  const key = JSON.stringify([roundTo, normalise, per]);
  if (ranked?.key === key && ranked.of === scores) return ranked;
  const path = removalPath(analysis, scores, { roundTo, normalise, per });
  const total = [...scores.values()].reduce((sum, one) => sum + sumOf(one), 0);
  ranked = { key, of: scores, path, costs: createCostModel(analysis), total };
  return ranked;
}

const sumOf = (values: Float64Array): number =>
  values.reduce((sum, value) => (Number.isFinite(value) ? sum + Math.max(0, value) : sum), 0);

/** The units that go: what a budget takes of the groups without a slider of their own, and what these say. */
function removalFor(choice: Choice): Map<string, readonly number[]> {
  if (isWhole(choice)) return new Map();
  const { path, costs } = rankedFor(choice);
  const { analysis } = opened();
  const { scores } = scoresNow();
  const own = new Map<string, number[]>();
  for (const { name, units } of analysis.groups) {
    const left = choice.own[name];
    const gone = left === undefined ? 0 : Math.min(units.length - 1, Math.max(0, units.length - left));
    if (gone > 0) own.set(name, leastOf(scores.get(name)!, gone));
  }
  const free = path.filter(({ group }) => choice.own[group] === undefined);
  const target = choice.share * analysis.costs[choice.kind];
  const costsOf = (steps: number): Costs => {
    if (own.size === 0 && free.length === path.length) return steps === 0 ? analysis.costs : path[steps - 1]!.costs;
    return costs.without(joined(own, free.slice(0, steps)));
  };
  let [low, high] = [0, free.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (costsOf(middle)[choice.kind] <= target) high = middle;
    else low = middle + 1;
  }
  return joined(own, free.slice(0, low));
}

/** Whether nothing is to go: no ranking is needed to say so. */
const isWhole = ({ share, own }: Choice): boolean => share >= 1 && Object.keys(own).length === 0;

function joined(own: ReadonlyMap<string, number[]>, steps: readonly PathStep[]): Map<string, readonly number[]> {
  const all = new Map([...own].map(([name, units]) => [name, [...units]]));
  for (const { group, units } of steps) {
    const known = all.get(group);
    if (known) known.push(...units);
    else all.set(group, [...units]);
  }
  return new Map([...all].map(([name, units]) => [name, units.sort((a, b) => a - b)]));
}

const leastOf = (scores: Float64Array, count: number): number[] =>
  [...scores.keys()].sort((a, b) => scores[a]! - scores[b]! || a - b).slice(0, count);

/** Criteria whose importance is the square of how far the loss changes. */
const isSquaredLoss = (criterion: string): boolean => /^(taylor-fo|taylor-so|oracle|bn-taylor)/.test(criterion);

export function previewOf({ choice }: Calls["preview"]["args"]): Preview {
  const started = performance.now();
  const { analysis } = opened();
  const { scores, criterion } = scoresNow();
  const removal = removalFor(choice);
  const { costs: model, total } = removal.size === 0 ? { costs: undefined, total: 0 } : rankedFor(choice);
  const costs = model?.without(removal) ?? analysis.costs;
  let lost = 0;
  for (const [name, units] of removal) {
    const own = scores.get(name)!;
    for (const unit of units) if (Number.isFinite(own[unit])) lost += Math.max(0, own[unit]!);
  }
  return {
    costs,
    widths: Object.fromEntries(
      analysis.groups.map(({ name, units }) => [name, units.length - (removal.get(name)?.length ?? 0)]),
    ),
    lost: total > 0 ? lost / total : 0,
    ...(isSquaredLoss(criterion) && { change: Math.sqrt(lost) }),
    met: costs[choice.kind] <= choice.share * analysis.costs[choice.kind],
    took: performance.now() - started,
  };
}

export async function cutModel({ choice, prove }: Calls["cut"]["args"], { signal }: Calling): Promise<CutView> {
  const { model } = opened();
  const removal = removalFor(choice);
  const outcome = await cut(model, removal, { prove, runtime: await runtime(), signal });
  made = { of: model, model: outcome.model };
  const bytes = encodeModel(outcome.model);
  return {
    model: bytes.slice().buffer,
    plan: formatPlan(removal),
    before: outcome.before,
    after: outcome.after,
    ...(outcome.proof && { difference: outcome.proof.difference, elements: outcome.proof.elements }),
  };
}

/** The original and what was cut of it last, in turns. */
export async function timeModels(
  { rounds }: Calls["latency"]["args"],
  { signal, progress }: Calling,
): Promise<LatencyView> {
  const { model } = opened();
  const small = madeOf(model);
  const on = await runtime();
  const [before, after] = await measureLatency(on, [model, small], {
    rounds,
    threads: on.threads,
    signal,
    onProgress: (done, all) => progress({ done, all }),
  });
  return {
    before: before!,
    after: after!,
    ratio: after!.median / before!.median,
    machine: inWords(await machine(), "cpu"),
  };
}

/** What was made of a model last. */
function madeOf(model: Model): Model {
  if (made?.of !== model) throw new SecateurError("bad-option", "cut the model first");
  return made.model;
}
