/** secateur recalibrate: new statistics for BatchNormalization. */

import type { Command } from "commander";
import { load } from "../../jobs/load-node.ts";
import { kinds, recalibrate } from "../../jobs/recalibrate.ts";
import { count } from "../../options/kinds.ts";
import { batchSize, seed } from "../../options/machine.ts";
import { withExample } from "../help.ts";
import { openData, withData, type DataFlags } from "../options/data.ts";
import type { Commands, Context } from "../context.ts";
import { flag, handed, output, withGroup } from "../options/flag.ts";
import { runningOf, withCompute, type ComputeFlags } from "../options/machine.ts";
import { withOpset, withShape, type ShapeFlags } from "../options/model.ts";
import { note } from "../output.ts";
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

function defineRecalibrate(command: Command, context: Context): void {
  withGroup(withShape(withData(command)), "Data", [
    flag("--batch-size <n>", batchSize(128)),
    flag("--batches <n>", count.describe("minibatches to average over (default: all)")),
    flag("--seed <n>", seed),
  ]);
  withGroup(withCompute(command), "Output", [output("the model to write").makeOptionMandatory()]);
  withExample(
    withForce(withOpset(command)),
    "secateur recalibrate small.onnx --data folder:photos --batches 8 -o tuned.onnx",
  ).action(async (path: string, flags: RecalibrateFlags) => {
    await checkOutput(flags.output, [path], flags);
    using progress = createProgress("reading model and data");
    const model = await load(path);
    const data = await openData({ ...flags, data: flags.data! }, "train", model, context);
    const tuned = await recalibrate(model, {
      ...handed(flags, kinds),
      ...runningOf(flags, context),
      data,
      onEvent: reportProgress(progress),
    });
    await writeModel(flags.output, tuned, flags);
    progress.done();
    note(`recalibrated -> ${flags.output}`);
  });
}

export const commands: Commands = { recalibrate: defineRecalibrate };
