/** Options that say what the runtime computes on, and in what portions. */

import { parts } from "../../options/data.ts";
import { count } from "../../options/kinds.ts";
import { withMetric } from "../metric.ts";
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import type { Loss } from "../../options/loss.ts";
import { batchSize, device, seed, threads } from "../../options/machine.ts";
import type { Device } from "../../runtime/port.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import type { Context } from "../context.ts";
import { noteFixedBatch } from "../output.ts";
import { flag, withGroup, type Heading } from "./flag.ts";
import { lossFlag } from "./loss.ts";
import { shapesOf, type ShapeFlags } from "./model.ts";

export interface DeviceFlags {
  readonly device: Device;
}

export const withDevice = (command: Command): Command =>
  withGroup(command, "Machine", [flag("--device <device>", device)]);

export interface ComputeFlags extends DeviceFlags {
  readonly threads: number;
}

export const withCompute = (command: Command): Command =>
  withGroup(withDevice(command), "Machine", [
    flag("--threads <n>", threads).default(Math.min(256, availableParallelism()), "one for each core"),
  ]);

/** What every function takes that runs a model. */
export const runningOf = (flags: ShapeFlags & Partial<ComputeFlags>, context: Context) => ({
  ...shapesOf(flags, context),
  device: flags.device,
  threads: flags.threads,
  signal: context.signal,
  runtime: nodeRuntime,
  onFixedBatch: noteFixedBatch,
});

export interface RunFlags extends ComputeFlags {
  readonly loss: Loss | "auto";
  readonly batchSize: number;
  readonly seed: number;
}

/** @param heading what the loss is for */
export const withRun = (command: Command, size: number, heading: Heading = "Measuring"): Command =>
  withCompute(
    withGroup(command, heading, [flag("--batch-size <n>", batchSize(size))], [lossFlag(), flag("--seed <n>", seed)]),
  );

const part = parts.default("test");
const limit = count.describe("no more minibatches than this");

/** What a command takes that measures models on data. */
export const withMeasured = (command: Command): Command =>
  withRun(withMetric(withGroup(command, "Data", [flag("--split <part>", part), flag("--batches <n>", limit)])), 200);
