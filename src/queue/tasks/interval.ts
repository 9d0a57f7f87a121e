/** The task to learn from one slice of the minibatches between two averagings. */

import { z } from "zod";
import { decodeBatch, encodeBatch } from "../../distribute/batch-blobs.ts";
import type { TaskKind } from "../../distribute/task.ts";
import { count, countOrNone, notNegative, positive, share } from "../../options/kinds.ts";
import { learning } from "../../options/learning.ts";
import { lossesOf, lossOption } from "../../options/loss.ts";
import { device, memory, seed } from "../../options/machine.ts";
import { measuring } from "../../options/ranking.ts";
import { defaultRuntime } from "../../runtime/default.ts";
import {
  decodeTask,
  encodeAnswer,
  encodeGraph,
  encodeState,
  lossGraphs,
  type TaskRest,
} from "../../train/interval-bytes.ts";
import { runInterval } from "../../train/interval-task.ts";
import type { IntervalTask } from "../../train/spread.ts";
import { named, piecesOf, wholeOf } from "./pieces.ts";

/** Beyond these a job is a mistake, or an attack. */
const [mostSamples, mostMinibatches, mostFeatures, mostLosses] = [2 ** 20, 2 ** 16, 2 ** 12, 2 ** 8];

/** The model of a loss in a file is a blob. What such a loss calls its file is a name in messages, and is not read. */
const loss = lossOption.refine((given) => {
  const all = lossesOf(given);
  return all.length <= mostLosses && all.every((one) => one.kind !== "file" || one.model === undefined);
});

const feature = z.strictObject({
  value: z.string().max(10_000),
  axis: countOrNone,
  variance: z.number(),
  weight: z.number(),
});

const options = z.strictObject({
  step: z.strictObject({
    batch: count.max(mostSamples),
    loss,
    optimiser: learning.optimiser,
    clip: learning.clip,
    labelSmoothing: learning.labelSmoothing.unwrap().optional(),
    mixup: learning.mixup,
    ema: learning.ema,
    needs: z.array(z.enum(["gates", "weights", "scales", "activations"])).optional(),
    gates: measuring.gates.unwrap().optional(),
    seed,
  }),
  lessons: z
    .array(z.strictObject({ rate: notNegative, number: countOrNone }))
    .min(1)
    .max(mostMinibatches),
  updates: countOrNone,
  distillation: z
    .strictObject({ weight: share, temperature: positive, features: z.array(feature).max(mostFeatures).optional() })
    .optional(),
  device,
  memory: memory.optional(),
});
export type IntervalOptions = z.infer<typeof options>;

/** Some bytes that belong to a task, and what they are made of. */
export interface Part {
  /** Pieces have the names `NAME/0` and so on. */
  readonly name: string;
  /** Bytes of the same thing are the same. */
  readonly of: object;
  encode(): Uint8Array;
}

/** All that a task has besides its options. */
export function partsOf(task: IntervalTask): Part[] {
  const { graph, optimiserState, teacher, lessons } = task;
  return [
    { name: "model", of: graph, encode: () => encodeGraph(graph) },
    { name: "state", of: optimiserState, encode: () => encodeState(optimiserState) },
    ...(teacher ? [{ name: "teacher", of: teacher.graph, encode: () => encodeGraph(teacher.graph) }] : []),
    ...lossGraphs(task).map((one, i) => ({ name: `loss-${i}`, of: one, encode: () => encodeGraph(one) })),
    ...lessons.map(({ batch }, i) => ({ name: `batch-${i}`, of: batch, encode: () => encodeBatch(batch) })),
  ];
}

/** Its blobs are those of {@link partsOf}; of it comes `answer`. */
export const intervalTask: TaskKind<IntervalOptions> = {
  name: "interval",
  options,
  label: ({ lessons }) => `minibatches ${lessons[0]!.number + 1} to ${lessons.at(-1)!.number + 1}`,
  async run({ device, memory, ...rest }, tools) {
    const { digests, threads, progress, signal } = tools;
    const whole = (name: string): Promise<Uint8Array> => wholeOf(name, tools);
    const batches = [];
    for (const i of rest.lessons.keys()) batches.push(decodeBatch(await whole(`batch-${i}`)));
    const losses = [];
    const files = lossesOf(rest.step.loss).filter(({ kind }) => kind === "file");
    for (const i of files.keys()) losses.push(await whole(`loss-${i}`));
    const task = decodeTask({
      model: await whole("model"),
      optimiserState: await whole("state"),
      teacher: "teacher/0" in digests ? await whole("teacher") : undefined,
      losses,
      rest: rest as TaskRest,
      batches,
    });
    const answer = await runInterval(defaultRuntime(), task, { threads, device, memory, signal }, progress);
    return {
      result: { samples: answer.samples, minibatches: answer.steps.length },
      blobs: named("answer", piecesOf(encodeAnswer(answer))),
    };
  },
};
