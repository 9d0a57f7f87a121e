/** The task to prune a model from start to end, as one run of a sweep. */

import { z } from "zod";
import { packedData, unpackDataset, type PackedData } from "../../distribute/dataset-blobs.ts";
import type { TaskKind, Tools } from "../../distribute/task.ts";
import { prune } from "../../jobs/prune.ts";
import type { PruneOutcome } from "../../jobs/prune-events.ts";
import { pruneKinds } from "../../jobs/prune-options.ts";
import { share } from "../../options/kinds.ts";
import { lossesOf } from "../../options/loss.ts";
import { threads } from "../../options/machine.ts";
import { criterionName, limits } from "../../options/ranking.ts";
import { isPassing, type RunEvent } from "../../report/record.ts";
import { decodeModelOf, encodeModelBlobs } from "./model-blobs.ts";
import { checkpointsOf } from "./run-checkpoint.ts";
import { encodeTold } from "./told.ts";

const { data: _data, validation: _validation, checkpoints: _checkpoints, ...others } = pruneKinds;
const { runtime: _runtime, signal: _signal, onEvent: _onEvent, ...plainKinds } = others;

/** Patterns with their shares in their order, as plain data has no Map. */
const ratios = z.array(z.tuple([z.string(), share])).readonly();

const options = z.strictObject({
  /** Of the run, for people. */
  name: z.string().max(200),
  prune: z.strictObject({
    ...plainKinds,
    criterion: criterionName.optional(),
    // A loss of a file is none here: it names a path, or holds a model.
    loss: plainKinds.loss.refine((given) => given === "auto" || lossesOf(given).every(({ kind }) => kind !== "file")),
    limits: z.strictObject({ ...limits, ratios: ratios.optional() }).optional(),
    /** Of the runtime; those of the worker where none are named. */
    threads: threads.optional(),
  }),
  data: packedData,
  validation: packedData.optional(),
});
export type PruneRunOptions = z.infer<typeof options>;

/** What a worker tells of a pruning: `outcome` of its result. */
export type ToldOutcome = Omit<PruneOutcome, "model">;
/** A line of `events` of its result. */
export interface ToldEvent {
  readonly time: string;
  readonly event: RunEvent;
}

/** The data set whose blobs begin with a name. */
const unpacked = (about: PackedData, name: string, { blob }: Tools) =>
  unpackDataset(about, { targets: () => blob(`${name}-targets`), chunk: (index) => blob(`${name}/${index}`) });

/**
 * Its blobs are the model, and `data/0` and `validation/0` and so on with `data-targets` and `validation-targets`.
 * Of it come the model, `events`, a line for each, and `outcome`.
 */
export const pruneRunTask: TaskKind<PruneRunOptions> = {
  name: "prune-run",
  options,
  label: ({ name }) => `run ${name}`,
  async run(given, tools) {
    const { limits: wanted, threads: own = tools.threads, ...settings } = given.prune;
    const { told, checkpoints } = await checkpointsOf(tools);
    let [steps, all] = [0, 0];
    const job = prune(await decodeModelOf(tools), {
      ...settings,
      ...(wanted && { limits: { ...wanted, ratios: wanted.ratios && new Map(wanted.ratios) } }),
      threads: own,
      runtime: tools.runtime,
      data: await unpacked(given.data, "data", tools),
      ...(given.validation && { validation: await unpacked(given.validation, "validation", tools) }),
      checkpoints,
      signal: tools.signal,
      onEvent(event) {
        if (event.kind === "schedule") all = event.steps + (event.tuningSteps ?? 0);
        if (event.kind === "step") steps++;
        // A run that hangs says nothing; one that measures for long says so.
        tools.progress(steps, Math.max(steps, all));
        if (!isPassing(event)) told.push(encodeTold({ time: new Date().toISOString(), event } satisfies ToldEvent));
      },
    });
    const { model, ...outcome } = await job;
    const utf8 = new TextEncoder();
    return {
      result: { end: outcome.end, removals: outcome.removals },
      blobs: {
        ...Object.fromEntries(encodeModelBlobs(model)),
        events: utf8.encode(told.join("\n")),
        outcome: utf8.encode(encodeTold(outcome satisfies ToldOutcome)),
      },
    };
  },
};
