/** secateur train and finetune: learning, from scratch or from what there is. */

import type { Command } from "commander";
import { finetune, train } from "../../jobs/train.ts";
import { checkWritable } from "../../onnx/atomic-node.ts";
import { readModelFile, writeModelFile } from "../../onnx/files-node.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import type { StepEvent } from "../../train/events.ts";
import {
  learnOptions,
  numberIn,
  openData,
  seed,
  shapesOf,
  withData,
  withLearning,
  withShape,
  type DataFlags,
  type LearnFlags,
  type ShapeFlags,
} from "../options.ts";
import { createProgress, note, remaining, type Progress } from "../output.ts";

export interface TrainFlags extends ShapeFlags, DataFlags, LearnFlags {
  readonly epochs: number;
  readonly warmUp: number;
  readonly output: string;
}

export const epochCount = numberIn(0, 1_000_000, true);

export function addTrain(program: Command, signal: AbortSignal): void {
  add(program, train, "train a model, such as one of secateur new", 20, 0.1, signal);
  add(program, finetune, "train a pruned model further", 5, 0.02, signal);
}

function add(
  program: Command,
  learn: typeof train,
  description: string,
  epochs: number,
  rate: number,
  signal: AbortSignal,
): void {
  withLearning(withData(withShape(program.command(`${learn.name} <model>`))), rate)
    .description(description)
    .option("--epochs <n>", "passes over the training data", epochCount, epochs)
    .option("--warm-up <steps>", "steps over which the learning rate rises at first", seed, 0)
    .requiredOption("-o, --output <file>", "the model to write")
    .action(async (path: string, flags: TrainFlags) => {
      await checkWritable(flags.output);
      const model = await readModelFile(path);
      const data = await openData({ ...flags, data: flags.data! }, "train");
      using progress = createProgress("reading the data");
      const trained = await learn(model, {
        ...learnOptions(flags, signal),
        ...shapesOf(flags),
        data,
        runtime: nodeRuntime,
        epochs: flags.epochs,
        learningRate: flags.learningRate,
        warmUp: flags.warmUp,
        onEvent: reportEpochs(progress, flags.batchSize),
      });
      await writeModelFile(flags.output, trained);
      note(`-> ${flags.output}`);
    });
}

/** A line while an epoch runs, and one that stays when it ends. */
export function reportEpochs(progress: Progress, batchSize: number): (event: StepEvent) => void {
  const started = performance.now();
  let [sum, steps, epoch, first, before] = [0, 0, 1, started, started];
  return (event) => {
    if (event.epoch !== epoch) [sum, steps, epoch, first] = [0, 0, event.epoch, before];
    sum += event.loss;
    steps++;
    before = performance.now();
    const rate = ((steps * batchSize) / (before - first)) * 1000;
    const left = event.steps === undefined ? "" : `, ${remaining(started, event.step, event.steps)}`;
    const line = `epoch ${event.epoch} of ${event.epochs}: loss ${(sum / steps).toFixed(4)}, learning rate ${event.learningRate.toPrecision(3)}, ${rate.toFixed(0)} images/s${left}`;
    const last = event.steps !== undefined && event.step % (event.steps / event.epochs!) === 0;
    if (last) progress.done(line);
    else progress.update(line);
  };
}
