/** Whole prunings, each done by one of many workers. */

import type { Dataset } from "../data/batches.ts";
import { packDataset, type Packed } from "../distribute/dataset-blobs.ts";
import { sha256 } from "../distribute/digest.ts";
import { taskOf, type Executor, type RunTasksOptions, type Task } from "../distribute/task.ts";
import { fail, option } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { PruneJobOptions } from "../jobs/prune-options.ts";
import { lossesOf } from "../options/loss.ts";
import { decodeModelOf, encodeModelBlobs } from "./tasks/model-blobs.ts";
import type { PruneRunOptions, ToldEvent, ToldOutcome } from "./tasks/prune-run.ts";
import { decodeTold } from "./tasks/told.ts";

/** What came of a pruning that somebody else did. */
export interface PrunedOn {
  readonly model: Model;
  readonly outcome: ToldOutcome;
  readonly events: readonly ToldEvent[];
}

type Put = (bytes: Uint8Array) => Promise<string>;

/** Hands out prunings. What several have in common is packed once. */
export class PruningsOn {
  readonly #executor: Executor;
  readonly #packed = new WeakMap<Dataset, Promise<Packed>>();
  readonly #models = new WeakMap<Model, Promise<Readonly<Record<string, string>>>>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /**
   * Prunes a model, as `prune` does, by an executor.
   *
   * @param name of the run, for people
   * @throws SecateurError as `prune`, `unsupported` for what does not travel: data that gives its batches in a row, a
   * criterion, a metric or a loss of one's own; `io` where it was tried too often
   */
  async prune(name: string, model: Model, given: PruneJobOptions, told: RunTasksOptions): Promise<PrunedOn> {
    const { data, validation } = given;
    const { store } = this.#executor;
    const options: PruneRunOptions["prune"] = plainOf(given);
    const task = async (put: Put, isAnew = false): Promise<Task> => {
      const [ofModel, ofData, ofValidation] = isAnew
        ? [
            await packModel(model, put),
            await packDataset(data, put),
            validation && (await packDataset(validation, put)),
          ]
        : [
            await this.#modelOf(model, put),
            await this.#dataOf(data, put),
            validation && (await this.#dataOf(validation, put)),
          ];
      const about = { name, prune: options, data: ofData.about };
      return taskOf("prune-run", ofValidation ? { ...about, validation: ofValidation.about } : about, {
        ...ofModel,
        ...blobsOf("data", ofData),
        ...(ofValidation && blobsOf("validation", ofValidation)),
      });
    };
    const repair = async (digests: readonly string[]): Promise<void> => {
      const lost = new Set(digests);
      await task(async (bytes) => {
        const digest = await sha256(bytes);
        return lost.has(digest) ? store.put(bytes, { anew: true }) : digest;
      }, true);
    };
    const one = await task((bytes) => store.put(bytes));
    const [made] = await this.#executor.run(only(one), 1, repair, told);
    const blob = (of: string): Promise<Uint8Array> =>
      store.get(made!.blobs[of] ?? fail("bad-data", `what came of ${name} has no ${of}`));
    const text = async (of: string): Promise<string> => new TextDecoder().decode(await blob(of));
    return {
      model: await decodeModelOf({ digests: made!.blobs, blob }),
      outcome: decodeTold(await text("outcome")) as ToldOutcome,
      events: (await text("events")).split("\n").map((line) => checkedEvent(decodeTold(line))),
    };
  }

  #modelOf(model: Model, put: Put): Promise<Readonly<Record<string, string>>> {
    const known = this.#models.get(model) ?? packModel(model, put);
    this.#models.set(model, known);
    return known;
  }

  #dataOf(data: Dataset, put: Put): Promise<Packed> {
    const known = this.#packed.get(data) ?? packDataset(data, put);
    this.#packed.set(data, known);
    return known;
  }
}

async function* only(task: Task): AsyncGenerator<Task> {
  yield await Promise.resolve(task);
}

async function packModel(model: Model, put: Put): Promise<Readonly<Record<string, string>>> {
  const digests: Record<string, string> = {};
  for (const [name, bytes] of encodeModelBlobs(model)) digests[name] = await put(bytes);
  return digests;
}

const blobsOf = (name: string, { targets, chunks }: Packed): Record<string, string> => ({
  ...(targets !== undefined && { [`${name}-targets`]: targets }),
  ...Object.fromEntries(chunks.map((digest, i) => [`${name}/${i}`, digest])),
});

/** A step is a part of the name of a file. */
function checkedEvent(value: unknown): ToldEvent {
  const { time, event } = value as { readonly time: unknown; readonly event: Partial<Record<string, unknown>> };
  const { kind, step } = event;
  if (typeof time !== "string" || typeof kind !== "string" || (step !== undefined && !Number.isSafeInteger(step)))
    fail("bad-data", "what came of a pruning is not what a worker tells");
  return value as ToldEvent;
}

/** The options of a pruning that are plain data. */
function plainOf(all: PruneJobOptions): PruneRunOptions["prune"] {
  const { data: _data, validation: _validation, checkpoints: _checkpoints, ...given } = all;
  const own = (what: string, instead: string): never =>
    fail("unsupported", `${what} of your own does not travel: ${instead}, or leave out ${option("queue")}`);
  const { criterion, metric, loss, limits, runtime: _runtime, signal: _signal, ...others } = given;
  if (criterion !== undefined && typeof criterion !== "string") own("a criterion", "name one that Secateur has");
  if (typeof metric === "object" && "start" in metric) own("a metric", `give a name to ${option("metric")}`);
  if (loss !== undefined && loss !== "auto" && lossesOf(loss).some(({ kind }) => kind === "file"))
    own("a loss", `name one that Secateur has by ${option("loss")}`);
  const ratios = limits?.ratios && [...limits.ratios];
  const plain = { ...others, criterion, metric, loss, ...(limits && { limits: { ...limits, ratios } }) };
  // What is left out is left out in JSON, and so are functions.
  return JSON.parse(JSON.stringify(plain)) as PruneRunOptions["prune"];
}
