/** The task to measure one shard of the minibatches that importances are averaged over. */

import { z } from "zod";
import { batchesDataset, decodeBatch } from "../../distribute/batch-blobs.ts";
import { formatPart } from "../../distribute/part.ts";
import { shardName, spanOf } from "../../distribute/shards.ts";
import { canonical, type TaskKind } from "../../distribute/task.ts";
import { shareScore } from "../../jobs/score.ts";
import { shard } from "../../options/distribute.ts";
import { count, countOrNone } from "../../options/kinds.ts";
import { targetSource } from "../../options/learning.ts";
import { lossesOf, lossOption } from "../../options/loss.ts";
import { device, memory, seed } from "../../options/machine.ts";
import { shapes } from "../../options/model.ts";
import { criterionName, measuring } from "../../options/ranking.ts";
import { decodeModelOf, modelNameOf } from "./model-blobs.ts";

/** Beyond these a job is a mistake, or an attack. */
const [mostSamples, mostMinibatches, mostProbes] = [2 ** 20, 2 ** 20, 2 ** 16];

/** A loss of a file is none here: it names a path, or holds a model. */
const loss = lossOption.refine((given) => lossesOf(given).every(({ kind }) => kind !== "file"));

const options = z.strictObject({
  shard,
  data: z.strictObject({ name: z.string().max(1000), size: countOrNone.optional(), classes: count.optional() }),
  /** How many minibatches were drawn. */
  drawn: count.max(mostMinibatches),
  measure: z.strictObject({
    criterion: criterionName,
    gates: measuring.gates,
    probes: countOrNone.max(mostProbes).optional(),
    targets: targetSource,
    loss,
    batchSize: count.max(mostSamples),
    batches: count.max(mostMinibatches),
    memory: memory.optional(),
    seed,
    shapes: shapes.optional(),
    device,
  }),
});
export type ScorePartOptions = z.infer<typeof options>;

/** The minibatches that a shard looks at: its own, and the first, by which parts know each other. */
export function minibatchesOfShard({ shard, drawn, measure }: ScorePartOptions): number[] {
  const { from, to } = spanOf(shard, measure.batches);
  const own = Array.from({ length: Math.max(0, Math.min(to, drawn) - from) }, (_, i) => from + i);
  return own[0] === 0 ? own : [0, ...own];
}

/** Its blobs are the model, and `batch/0` and so on; of it come `part`, and how many minibatches that holds. */
export const scorePartTask: TaskKind<ScorePartOptions> = {
  name: "score-part",
  options,
  label: ({ shard }) => `shard ${shardName(shard)}`,
  async run(given, tools) {
    const { blob, threads, progress, ready } = tools;
    const { measure, shard } = given;
    // What a model is opened to stays open for the next shard.
    const about = canonical({ measure, threads, model: modelNameOf(tools.digests) });
    const shared = await ready(`score ${about}`, async () =>
      shareScore(await decodeModelOf(tools), { ...measure, threads, labelsAreRight: true }),
    );
    const wanted = new Set(minibatchesOfShard(given));
    const data = batchesDataset(given.data, given.drawn, measure.batchSize, (index) =>
      wanted.has(index) ? blob(`batch/${index}`).then(decodeBatch) : undefined,
    );
    const part = await shared.part(shard, data, progress);
    return {
      result: { minibatches: part.minibatches.length },
      blobs: { part: new TextEncoder().encode(formatPart(part)) },
    };
  },
};
