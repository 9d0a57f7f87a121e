/** secateur recalibrate: new statistics for BatchNormalization. */

import type { Command } from "commander";
import { load } from "../../jobs/load-node.ts";
import { recalibrate } from "../../jobs/recalibrate.ts";
import { count } from "../../options/kinds.ts";
import { batchSize, seed } from "../../options/machine.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import { withExample } from "../help.ts";
import { openData, withData, type DataFlags } from "../options/data.ts";
import { flag, output, withGroup } from "../options/flag.ts";
import { withCompute, type ComputeFlags } from "../options/machine.ts";
import { shapesOf, withOpset, withShape, type ShapeFlags } from "../options/model.ts";
import { note, noteFixedBatch } from "../output.ts";
import { checkOutput, withForce, type ForceFlags } from "../output-file.ts";
import { createProgress, reportProgress } from "../progress.ts";
import { writeModel } from "../write.ts";

interface RecalibrateFlags extends ShapeFlags, ForceFlags, DataFlags, ComputeFlags {
  readonly output: string;
  readonly opset?: number;
  readonly batchSize: number;
  readonly batches?: number;
  readonly seed: number;
}

export function addRecalibrate(program: Command, signal: AbortSignal): void {
  const command = withShape(withData(program.command("recalibrate <model>")));
  withGroup(command, "Data", [
    flag("--batch-size <n>", batchSize(128)),
    flag("--batches <n>", count.describe("minibatches to average over (default: all)")),
    flag("--seed <n>", seed),
  ]);
  withGroup(withCompute(command), "Output", [output("the model to write").makeOptionMandatory()]);
  withExample(
    withForce(withOpset(command)),
    "secateur recalibrate small.onnx --data folder:photos --batches 8 -o tuned.onnx",
  )
    .description("give BatchNormalization new statistics, as after a bare cut; nothing is learned")
    .action(async (path: string, flags: RecalibrateFlags) => {
      await checkOutput(flags.output, [path], flags);
      using progress = createProgress("reading model and data");
      const model = await load(path);
      const data = await openData({ ...flags, data: flags.data! }, "train", model);
      const { batchSize, batches, seed, device, threads, output } = flags;
      const tuned = await recalibrate(model, {
        ...shapesOf(flags),
        data,
        batchSize,
        batches,
        seed,
        device,
        threads,
        signal,
        runtime: nodeRuntime,
        onFixedBatch: noteFixedBatch,
        onEvent: reportProgress(progress),
      });
      await writeModel(output, tuned, flags);
      progress.done();
      note(`recalibrated -> ${output}`);
    });
}
