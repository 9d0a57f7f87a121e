/** Options that say what the runtime computes on, and in what portions. */

import { z } from "zod";
import { devices, type Runtime } from "../runtime/port.ts";
import { callback, count, countOrAuto, having, notNegative, type OptionsOf } from "./kinds.ts";
import { looking } from "./model.ts";

export const runtime = having<Runtime>("a runtime, as createRuntime gives it", "load");

export const device = z.enum(devices).default("cpu").describe("what the runtime computes on");

/** More threads than any processor has make the runtime hang for minutes. */
export const threads = count.max(256).describe("threads of the runtime");

export const seed = z.int().min(0).default(0).describe("seed; the same one gives the same bytes");

/** Samples of a minibatch. */
export const batchSize = (size: number) => count.default(size).describe("samples of a minibatch");

/** Fewer times have no interval of 95 %. */
export const rounds = z.int().min(6).default(50).describe("how often each model is timed");

export const workers = countOrAuto
  .default("auto")
  .describe("threads that share each minibatch; auto: as many as make it faster");

export const machines = count
  .default(1)
  .describe("machines that learn side by side: workers of this process, or of a queue");

export const averageEvery = count.default(10).describe("minibatches of each machine between two averagings");

export const memory = count.describe("memory that the process should stay below, as 2GB");

export const checkpointEvery = notNegative.default(30).describe("seconds between two checkpoints while learning");

export const signal = having<AbortSignal>("an AbortSignal", "addEventListener");

const computing = {
  /** Default: the CPU. What another device has no kernel for, onnxruntime computes on the CPU all the same. */
  device,
  /** Threads within an operator; default: all cores. */
  threads: threads.optional(),
  /** Ends the work, where the runtime can be left alone with a run that goes on. */
  signal: signal.optional(),
  /** Where none is named, the one of {@link useRuntime}. */
  runtime: runtime.optional(),
  /** Told where a model runs at the batch size of its file alone, and why: minibatches are then of that size. */
  onFixedBatch: callback<(batch: number, why: string) => void>().optional(),
};

/** What every function takes that runs a model. */
export const running = { ...looking, ...computing };
export interface RunOptions extends OptionsOf<typeof looking>, OptionsOf<typeof computing> {}
