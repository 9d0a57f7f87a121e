/** The importance of the units of a model, measured by many. */

import { criterionOf } from "../criteria/table.ts";
import type { Scores } from "../criteria/criterion.ts";
import type { Dataset } from "../data/batches.ts";
import { encodeBatch } from "../distribute/batch-blobs.ts";
import { mergeParts } from "../distribute/merge.ts";
import { parsePart } from "../distribute/part.ts";
import { shardName, spanOf } from "../distribute/shards.ts";
import { taskOf, type Executor, type Task, type TaskEvent } from "../distribute/task.ts";
import { wholeBatches } from "../execute/minibatches.ts";
import { fail, option } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Store } from "../distribute/store.ts";
import { sha256 } from "../distribute/digest.ts";
import { startJob, type Job } from "../jobs/job.ts";
import { checkLabelsFit } from "../jobs/labels.ts";
import { batchOf, openModel } from "../jobs/opened.ts";
import { kinds, score, type ScoreJobOptions } from "../jobs/score.ts";
import { withTrial } from "../jobs/trial.ts";
import { takes } from "../options/check.ts";
import { lossesOf } from "../options/loss.ts";
import { minibatchesOfShard, type ScorePartOptions } from "./tasks/score-part.ts";
import { encodeModelBlobs } from "./tasks/model-blobs.ts";

export interface ScoreOnOptions extends Omit<ScoreJobOptions, "shard" | "onEvent"> {
  readonly data: Dataset;
  /** Into how many parts the minibatches are shared out; no more than there are minibatches. */
  readonly shards: number;
}

const settle = takes("score", kinds);

/** What came of it. */
export interface ScoredOn {
  readonly scores: Scores;
  /** What may make the last digits others than those of one machine, in a sentence each. */
  readonly remarks: readonly string[];
}

/**
 * Measures the importance of every unit, as `score` does, by an executor. What comes of it is the same to the last bit,
 * however many parts there are and whoever measured them.
 *
 * @throws SecateurError as `score`, `unsupported` for a criterion or a loss that does not travel, `io` where a part was
 * tried too often
 */
export function scoreOn(
  executor: Executor,
  model: Model,
  given: ScoreOnOptions,
  onEvent?: (event: TaskEvent) => void,
): Job<TaskEvent, ScoredOn> {
  return startJob(async (emit) => {
    const { options, opened, measure, shards } = await describe(model, given);
    const { data } = given;
    const looks = checkLabelsFit({ ...opened, model, data, emit: () => undefined }, opened.sized, "measure");
    // Whoever waits for the parts waits for it too.
    looks.catch(() => undefined);
    const { store } = executor;
    const { signal } = options;
    const { tasks, repair } = shareOut(store, model, data, measure, shards, signal);
    const [made] = await Promise.all([executor.run(tasks(), shards, repair, { signal, onEvent: emit }), looks]);
    const parts = [];
    for (const [i, { blobs }] of made.entries()) {
      const name = `part ${shardName({ index: i + 1, of: shards })}`;
      parts.push({ name, part: parsePart(new TextDecoder().decode(await store.get(blobs["part"]!)), name) });
    }
    return mergeParts(parts);
  }, onEvent);
}

type Measure = ScorePartOptions["measure"];

/** The tasks of a measurement, each made as soon as its minibatches are drawn, and what makes lost blobs once more. */
function shareOut(
  store: Store,
  model: Model,
  data: Dataset,
  measure: Measure,
  shards: number,
  signal: AbortSignal | undefined,
) {
  const batches: string[] = [];
  const about: ScorePartOptions["data"] = {
    name: data.name,
    ...(data.size !== undefined && { size: data.size }),
    ...(data.classes !== undefined && { classes: data.classes }),
  };
  async function* tasks(): AsyncGenerator<Task> {
    const ofModel: Record<string, string> = {};
    for (const [name, bytes] of encodeModelBlobs(model)) ofModel[name] = await store.put(bytes);
    const drawn = draw(data, measure, signal);
    let isOver = false;
    for (let index = 1; index <= shards; index++) {
      const wanted = Math.max(1, spanOf({ index, of: shards }, measure.batches).to);
      while (!isOver && batches.length < wanted) {
        const next = await drawn.next();
        if (next.done) isOver = true;
        else batches.push(await store.put(encodeBatch(next.value)));
      }
      const drawnBy = Math.min(batches.length, wanted);
      const options: ScorePartOptions = { shard: { index, of: shards }, data: about, drawn: drawnBy, measure };
      const own = minibatchesOfShard(options).map((i) => [`batch/${i}`, batches[i]!]);
      yield taskOf("score-part", options, { ...ofModel, ...Object.fromEntries(own) });
    }
    await drawn.return();
  }
  const repair = async (digests: readonly string[]): Promise<void> => {
    const lost = new Set(digests);
    const putAgain = async (bytes: Uint8Array): Promise<void> => {
      if (lost.has(await sha256(bytes))) lost.delete(await store.put(bytes, { anew: true }));
    };
    for (const [, bytes] of encodeModelBlobs(model)) await putAgain(bytes);
    if (!batches.some((one) => lost.has(one))) return;
    for await (const batch of draw(data, { ...measure, batches: batches.length }, signal)) {
      await putAgain(encodeBatch(batch));
      if (lost.size === 0) break;
    }
  };
  return { tasks, repair };
}

/** What it would take. */
export interface Expected {
  readonly jobs: number;
  readonly minibatches: number;
  /** Of the model, and of all minibatches. */
  readonly bytes: number;
  /** For one worker as fast as this machine. */
  readonly seconds: number;
}

/** Says what {@link scoreOn} would take: one minibatch is measured here. */
export async function expectScoreOn(model: Model, given: ScoreOnOptions): Promise<Expected> {
  const { options, measure, shards } = await describe(model, given);
  let modelBytes = 0;
  for (const [, bytes] of encodeModelBlobs(model)) modelBytes += bytes.length;
  let batchBytes = 0;
  for await (const batch of draw(given.data, { ...measure, batches: 1 }, options.signal))
    batchBytes = encodeBatch(batch).length;
  const one = async (batches: number): Promise<number> => {
    const started = performance.now();
    await score(model, { ...options, batches, labelsAreRight: true });
    return (performance.now() - started) / 1000;
  };
  const [first, both] = [await one(1), await one(2)];
  const each = Math.max(both - first, 0);
  return {
    jobs: shards,
    minibatches: measure.batches,
    bytes: modelBytes + batchBytes * measure.batches,
    // A worker opens the model once.
    seconds: Math.max(first - each, 0) + measure.batches * each,
  };
}

/** What all parts have in common. */
async function describe(model: Model, { shards: most, ...given }: ScoreOnOptions) {
  const options = settle(given, model);
  const { criterion } = options;
  const { data } = given;
  const { name, kind } = criterionOf(criterion);
  if (typeof criterion !== "string")
    fail("unsupported", `${name} is a criterion of your own, which does not travel: use ${option("shard")} and merge`);
  if (kind === "weights")
    fail(
      "bad-option",
      `${name} looks at weights alone: one machine measures it in a moment; leave out ${option("queue")}`,
    );
  const opened = await openModel(model, options, withTrial);
  const { sized } = opened;
  if (lossesOf(sized.loss).some((one) => one.kind === "file"))
    fail("unsupported", `a loss of a file does not travel: use ${option("shard")} on each machine, and merge`);
  const { gates, probes, targets, loss, batches, memory, seed, shapes, device } = sized;
  const measure: Measure = {
    criterion,
    gates,
    targets,
    loss,
    batches,
    seed,
    device,
    batchSize: batchOf(opened, data, options.onNote),
    ...(probes !== undefined && { probes }),
    ...(memory !== undefined && { memory }),
    ...(shapes !== undefined && { shapes }),
  };
  return { options, opened, measure, shards: Math.min(most, batches) };
}

/** The minibatches that importances are averaged over. */
const draw = (data: Dataset, { batchSize, seed, batches }: Measure, signal?: AbortSignal) =>
  wholeBatches(data, { batchSize, shuffle: true, seed, epoch: 0, limit: batches, signal });
