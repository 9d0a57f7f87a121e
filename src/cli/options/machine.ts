/** Options that say what the runtime computes on, and in what portions. */

import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import { devices, type Device } from "../../runtime/port.ts";
import { losses, type Loss } from "../../train/losses.ts";
import { count, seed, threadCount } from "./values.ts";

export interface DeviceFlags {
  readonly device: Device;
}

export const withDevice = (command: Command): Command =>
  command.addOption(new Option("--device <device>", "what the runtime computes on").choices(devices).default("cpu"));

export interface ComputeFlags extends DeviceFlags {
  readonly threads: number;
}

export const withCompute = (command: Command): Command =>
  withDevice(command).addOption(
    new Option("--threads <n>", "threads of the runtime")
      .argParser(threadCount)
      .default(Math.min(256, availableParallelism()), "one for each core"),
  );

export interface RunFlags extends ComputeFlags {
  readonly loss: Loss;
  readonly batchSize: number;
  readonly seed: number;
}

export const withRun = (command: Command, batchSize = 128): Command =>
  withCompute(
    command
      .addOption(new Option("--loss <loss>", "what is minimised").choices(losses).default("cross-entropy"))
      .option("--batch-size <n>", "samples of a minibatch", count, batchSize)
      .option("--seed <n>", "the same seed gives the same bytes", seed, 0),
  );
