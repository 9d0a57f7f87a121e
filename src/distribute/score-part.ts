/** The map of a measurement: what the minibatches of one shard give. */

import type { Context, Criterion, DataCriterion, Scores } from "../criteria/criterion.ts";
import { criteria } from "../criteria/table.ts";
import type { Batch, Dataset } from "../data/batches.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph, Model } from "../graph/graph.ts";
import type { Shard } from "../options/distribute.ts";
import type { Costs } from "../passes/costs.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import type { Runtime } from "../runtime/port.ts";
import { contributions, finished, openSources, savingOf, type ScoreOptions } from "../score/score.ts";
import { digestOfBatch, digestOfModel, plainOf } from "./digest.ts";
import { encodeNumbers, sealed, type ScorePart } from "./part.ts";
import { spanOf } from "./shards.ts";

/** What a part says of the measurement that it belongs to. */
export interface Described {
  /** As it was given. */
  readonly model: Model;
  /** All that importances depend on besides, by the names of options. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** A measurement that is shared out, open for one shard after another. */
export interface SharedMeasurement extends AsyncDisposable {
  /**
   * Measures one shard of the minibatches that importances are averaged over.
   *
   * @param onProgress is told how many of its minibatches are done
   * @throws SecateurError `unsupported` for a criterion that cannot be finished from parts
   */
  part(shard: Shard, data: Dataset | undefined, onProgress?: (done: number, all: number) => void): Promise<ScorePart>;
}

/**
 * Opens a measurement that is shared out. What the minibatches run through is opened with the first of them.
 *
 * @param graph the model with an open batch
 * @throws SecateurError `bad-option` for a criterion that takes no minibatches
 */
export function shareMeasurement(
  runtime: Runtime,
  graph: Graph,
  criterion: Criterion,
  options: ScoreOptions,
  described: Described,
): SharedMeasurement {
  const { name } = criterion;
  if (criterion.kind === "weights")
    fail(
      "bad-option",
      `${name} looks at weights alone: there are no minibatches to share out, and one machine measures it in a ` +
        `moment; leave out ${option("shard")}`,
    );
  const analysis = analyse(graph, { batch: options.batchSize });
  const sources = openSources(runtime, analysis, [criterion], options);
  const savings = criterion.finish && criterion.countsCost ? savingsOf(analysis) : undefined;
  let model: Promise<string> | undefined;
  return {
    async part(shard, data, onProgress = () => undefined) {
      let first: Batch | undefined;
      const minibatches: ScorePart["minibatches"] = [];
      const span = spanOf(shard, options.batches);
      const all = contributions(sources, data, { ...options, onProgress }, span, (batch) => (first = batch));
      for await (const { index, samples } of all) {
        const found = samples.get(name)!;
        // What cannot be finished is told before machines have worked for hours.
        if (minibatches.length === 0) finishParts(criterion, found, savings);
        minibatches.push({ index, samples: [...found].map(([group, values]) => [group, encodeNumbers(values)]) });
      }
      const { size, classes } = data!;
      return sealed({
        shard,
        model: await (model ??= digestOfModel(described.model)),
        data: {
          name: data!.name,
          ...(size !== undefined && { size }),
          ...(classes !== undefined && { classes }),
          first: await digestOfBatch(first!),
        },
        criterion: { name, own: criteria.get(name) !== criterion },
        options: (await plainOf(described.options)) as ScorePart["options"],
        machine: (await plainOf({ device: options.device, threads: options.threads })) as ScorePart["machine"],
        ...(savings && { savings }),
        minibatches,
      });
    },
    [Symbol.asyncDispose]: () => sources[Symbol.asyncDispose](),
  };
}

type Savings = NonNullable<ScorePart["savings"]>;

function savingsOf(analysis: Analysis): Savings {
  const saving = savingOf(analysis);
  return analysis.groups.map((group) => [
    group.name,
    group.units.map((_, unit) => {
      const { macs, params, bytes } = saving(group, unit);
      return { macs, params, bytes };
    }),
  ]);
}

/**
 * Importances from the averages over all minibatches, by what parts tell of the model.
 *
 * @throws SecateurError `unsupported` for a criterion that asks for more
 */
export function finishParts(criterion: DataCriterion, averages: Scores, savings: Savings | undefined): Scores {
  const known = new Map(savings);
  return new Map(
    [...averages].map(([name, average]) => [name, finished(criterion, average, contextOf(criterion, known.get(name)))]),
  );
}

/** What a criterion is told of a group without the model: costs alone, where it counts them. */
function contextOf({ name }: DataCriterion, saved: readonly Costs[] | undefined): Context {
  const refuse = (what: string): never =>
    fail(
      "unsupported",
      `${name} looks at ${what} when its averages are finished, which parts do not hold: score it on one machine, ` +
        `without ${option("shard")}`,
    );
  return {
    get groups() {
      return refuse("the graph");
    },
    get group() {
      return refuse("the units of a group");
    },
    saving: (unit) => saved?.[unit] ?? refuse("what units cost, and does not say so by countsCost"),
  };
}
