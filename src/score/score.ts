/** Importances from data: what some minibatches tell of the units, the weights as they are. */

import { Average } from "../criteria/average.ts";
import type { Context, Criterion, DataCriterion, Evidence, Need, Scores } from "../criteria/criterion.ts";
import type { Batch, Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Shape } from "../graph/tensor.ts";
import type { Costs } from "../passes/costs.ts";
import { createCostModel, type CostModel } from "../prune/select/cost-model.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import type { Group } from "../prune/coupling/groups.ts";
import { refuseWithout } from "../prune/coupling/removal.ts";
import type { Runtime, Tensors } from "../runtime/port.ts";
import { openCurvature } from "./curvature.ts";
import { isPassNeed, type Findings } from "../objective/evidence.ts";
import { feedsOf, targetFeeds } from "../execute/feeds.ts";
import { wholeBatches } from "../execute/minibatches.ts";
import { classesIn } from "../objective/objective.ts";
import { targetNoise } from "../objective/random-inputs.ts";
import { openOracleProvider } from "./oracle.ts";
import { openBackwardPass, refuseNeeds, type EvidenceProvider, type ProviderOptions } from "./provider.ts";

export interface ScoreOptions extends ProviderOptions {
  /** Minibatches to average over. */
  readonly batches: number;
  readonly seed: number;
  /**
   * Random directions from which the diagonal of the Hessian is estimated (Hutchinson); 0 computes it exactly, by one
   * Hessian-vector product for each unit. Default: exact for nets of up to 300 units, 32 directions for larger ones.
   */
  readonly probes?: number | undefined;
  readonly onProgress?: (batch: number, batches: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Up to so many units the diagonal of the Hessian is computed exactly, if nothing else is asked for. */
const mostExact = 300;
const defaultProbes = 32;

/**
 * The importance of every unit of a model by one criterion; see {@link scoreAll}.
 *
 * @param graph the model with an open batch
 * @param dataset not needed by criteria that look at weights alone
 */
export async function score(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset | undefined,
  criterion: Criterion,
  options: ScoreOptions,
): Promise<Scores> {
  return (await scoreAll(runtime, graph, dataset, [criterion], options)).get(criterion.name)!;
}

/**
 * The importance of every unit of a model, which stays in inference mode, by several criteria. What several
 * of them need is measured once: the gate gradients of all samples come from one backward pass of each
 * minibatch, the Hessian's row from one more.
 *
 * @param graph the model with an open batch
 * @param dataset not needed by criteria that look at weights alone
 * @returns by the name of the criterion
 * @throws SecateurError `unsupported` where the model has nothing of what a criterion needs,
 * `not-finite` where the loss is no number
 */
export async function scoreAll(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset | undefined,
  criteria: readonly Criterion[],
  options: ScoreOptions,
): Promise<Map<string, Scores>> {
  const measured = criteria.filter((criterion) => criterion.kind === "data");
  const found = measured.length > 0 ? await measure(runtime, graph, dataset, measured, options) : undefined;
  const analysis = found?.groups ?? analyse(graph);
  refuseWithout(analysis);
  return new Map(
    criteria.map((criterion) => [
      criterion.name,
      criterion.kind === "weights"
        ? criterion.score(analysis, graph.initializers, options.seed)
        : found!.scores.get(criterion.name)!,
    ]),
  );
}

async function measure(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset | undefined,
  criteria: readonly DataCriterion[],
  options: ScoreOptions,
): Promise<{ readonly groups: Analysis; readonly scores: Map<string, Scores> }> {
  const groups = analyse(graph, { batch: options.batchSize });
  const averages = new Map(criteria.map(({ name }) => [name, new Average()]));
  await using sources = openSources(runtime, groups, criteria, options);
  for await (const { samples } of contributions(sources, dataset, options))
    for (const [name, found] of samples) averages.get(name)!.add(found);
  return {
    groups,
    scores: new Map(
      criteria.map((criterion) => [criterion.name, finish(criterion, groups, averages.get(criterion.name)!.mean())]),
    ),
  };
}

/** What one minibatch adds to the averages that importances are made of. */
export interface Contribution {
  /** The number of the minibatch, from 0 on. */
  readonly index: number;
  /** What it gives for each unit, by the names of criteria. */
  readonly samples: ReadonlyMap<string, Scores>;
}

/** Minibatches in a row, by their numbers from 0 on: `from` included, `to` not. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What minibatches are run through for criteria. It stays open from one span to the next. */
export interface Sources extends AsyncDisposable {
  readonly analysis: Analysis;
  readonly criteria: readonly DataCriterion[];
  /** Opens them, or gives those that are open. */
  providers(): Promise<readonly EvidenceProvider[]>;
}

/** Opens nothing before it is asked for. */
export function openSources(
  runtime: Runtime,
  analysis: Analysis,
  criteria: readonly DataCriterion[],
  options: ScoreOptions,
): Sources {
  const needs = new Set(criteria.flatMap((criterion) => criterion.needs));
  const opened: EvidenceProvider[] = [];
  let isOpen = false;
  return {
    analysis,
    criteria,
    async providers() {
      if (!isOpen)
        for (const open of openers(runtime, analysis.graph, needs, options, analysis)) opened.push(await open());
      isOpen = true;
      return opened;
    },
    async [Symbol.asyncDispose]() {
      for (const provider of opened) await provider[Symbol.asyncDispose]();
    },
  };
}

/**
 * What each minibatch of a span gives for each unit, in their order. It depends on the number of the minibatch and on
 * no other minibatch, so that spans can be measured apart and averaged as one.
 *
 * @param span default all
 * @param onFirst is given the first minibatch, whether it is of the span or not
 */
export async function* contributions(
  { analysis: all, criteria, providers: open }: Sources,
  dataset: Dataset | undefined,
  options: ScoreOptions,
  span: Span = { from: 0, to: options.batches },
  onFirst?: (batch: Batch) => void,
): AsyncGenerator<Contribution, void> {
  const data = dataset ?? fail("bad-option", `${criteria[0]!.name} needs data: give it by ${option("data")}`);
  const { batchSize, batches, seed } = options;
  const { from, to } = span;
  // Of an empty span no more is read than the first minibatch.
  const end = from < to ? to : 1;
  refuseWithout(all);
  const providers = from < to ? await open() : [];
  if (options.targets !== "sampled") for (const { objective } of providers) checkClasses(data, classesIn(objective));
  const given = { batchSize, shuffle: true, seed, epoch: 0, limit: batches, signal: options.signal };
  let index = 0;
  for await (const batch of wholeBatches(data, given)) {
    if (index === 0) onFirst?.(batch);
    if (index >= from && index < to) {
      const findings = await runAll(providers, batch, options, index);
      yield {
        index,
        samples: new Map(criteria.map((one) => [one.name, sampleAll(one, all, findings, batchSize)])),
      };
      options.onProgress?.(index + 1 - from, to - from);
    }
    if (++index >= end) break;
  }
}

/** How to open each source that some needs take. */
function openers(
  runtime: Runtime,
  graph: Graph,
  needs: ReadonlySet<Need>,
  options: ScoreOptions,
  { groups }: Analysis,
): (() => Promise<EvidenceProvider>)[] {
  const of = <N extends Need>(...some: readonly N[]): N[] => some.filter((need) => needs.has(need));
  const units = groups.reduce((n, group) => n + group.units.length, 0);
  const probes = options.probes ?? (units <= mostExact ? 0 : defaultProbes);
  const [pass, curvature, oracle] = [[...needs].filter(isPassNeed), of("row", "diagonal"), of("losses", "subsets")];
  // What is loaded stays loaded until the end.
  const some = [pass, curvature, oracle].filter((needed) => needed.length > 0).length;
  const own = { ...options, ...(options.memory !== undefined && { memory: options.memory / some }) };
  return [
    ...(pass.length > 0 ? [() => openBackwardPass(runtime, graph, pass, own)] : []),
    ...(curvature.length > 0 ? [() => openCurvature(runtime, graph, { ...own, needs: curvature, probes })] : []),
    ...(oracle.length > 0 ? [() => openOracleProvider(runtime, graph, oracle, own)] : []),
  ];
}

/** Runs a minibatch through all sources. */
async function runAll(
  providers: readonly EvidenceProvider[],
  batch: Batch,
  options: ScoreOptions,
  index: number,
): Promise<Findings> {
  const findings = new Map<string, Partial<Evidence>>();
  for (const provider of providers) {
    const { loss, findings: own } = await provider.measure(providerFeeds(provider, batch, options, index), index);
    if (!Number.isFinite(loss))
      fail(
        "not-finite",
        `the loss of minibatch ${index + 1} is ${loss}: look for values that are not numbers in the data or the ` +
          "weights",
      );
    for (const [name, found] of own) findings.set(name, { ...findings.get(name), ...found });
  }
  return findings;
}

function providerFeeds(
  { inputs, objective }: EvidenceProvider,
  batch: Batch,
  { seed }: ScoreOptions,
  index: number,
): Tensors {
  const { targets, noises } = objective;
  const added = new Set([...targets, ...noises].map(({ input }) => input));
  const drawn = noises.map(({ input, noise }, i) => {
    const { shape } = inputs.find(({ name }) => name === input)!;
    return [input, targetNoise(noise, shape as Shape, seed, index, i)] as const;
  });
  return {
    ...feedsOf({ inputs: inputs.filter(({ name }) => !added.has(name)) }, batch),
    ...targetFeeds(inputs, objective, batch),
    ...Object.fromEntries(drawn),
  };
}

/**
 * What one minibatch gives for every group of which all that the criterion needs is known.
 *
 * @throws SecateurError `unsupported` where that is no group
 */
export function sampleAll(
  criterion: DataCriterion,
  { groups }: Analysis,
  findings: Findings,
  samples: number,
): Map<string, Float64Array> {
  const found = new Map<string, Float64Array>();
  for (const { name, units } of groups) {
    const own = findings.get(name);
    if (own === undefined || criterion.needs.some((need) => own[need] === undefined)) continue;
    const rows = own.gates === undefined ? samples : own.gates.length / units.length;
    if (rows !== samples && !criterion.means)
      fail(
        "unsupported",
        `${criterion.name} looks at each sample by itself, and those of a batch cannot be told apart at the gates ` +
          `of "${name}": use ${option("criterion", "taylor-fo")} or ${option("batchSize", 1)}`,
      );
    found.set(name, criterion.sample({ ...(own as Evidence), samples: rows, units: units.length }));
  }
  if (found.size === 0) refuseNeeds(criterion.needs);
  return found;
}

/** Importances from the averages of what minibatches gave. */
export function finish(criterion: DataCriterion, analysis: Analysis, averages: Scores): Scores {
  const saving = savingOf(analysis);
  return new Map(
    analysis.groups.flatMap((group) => {
      const average = averages.get(group.name);
      if (average === undefined) return [];
      const context: Context = { groups: analysis, group, saving: (unit) => saving(group, unit) };
      return [[group.name, finished(criterion, average, context)] as const];
    }),
  );
}

/** The importances of a group, from the average of what minibatches gave. */
export const finished = (criterion: DataCriterion, average: Float64Array, context: Context): Float64Array =>
  criterion.finish?.(average, context) ?? average;

/** What the removal of a unit alone would save; what that takes is made when it is first asked for. */
export function savingOf(analysis: Analysis): (group: Group, unit: number) => Costs {
  let model: CostModel | undefined;
  return (group, unit) => (model ??= createCostModel(analysis)).saving(group.units[unit]!);
}
