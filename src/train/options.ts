/** How a model learns, as those say who have it learn. */

import type { Augment } from "../data/batches.ts";
import { reservedMemory } from "../execute/memory.ts";
import type { Graph } from "../graph/graph.ts";
import type { Distillation } from "../objective/objective.ts";
import type { Spread } from "./spread.ts";
import type { StepOptions } from "./step.ts";

/** What a step is that the options of a caller say. */
type ChosenStep = Omit<StepOptions, "batch" | "distillation" | "needs" | "gates" | "ema" | "capabilities">;

/** How a model learns, whether from scratch, while it is pruned or after. */
export interface LearnOptions extends ChosenStep {
  readonly batchSize: number;
  readonly seed: number;
  readonly augment?: Augment | undefined;
  /** Several machines that learn side by side; default one. */
  readonly spread?: Spread | undefined;
}

export interface TaughtOptions {
  /** A model to learn from besides the labels: its graph with an open batch. */
  readonly teacher?: (Distillation & { readonly graph: Graph }) | undefined;
}

export const stepOptions = (options: LearnOptions & TaughtOptions): StepOptions => ({
  batch: options.batchSize,
  loss: options.loss,
  distillation: options.teacher,
  optimiser: options.optimiser,
  clip: options.clip,
  labelSmoothing: options.labelSmoothing,
  mixup: options.mixup,
  workers: options.workers,
  memory: options.memory,
  reserved: reservedOf(options),
  onRecompute: options.onRecompute,
  seed: options.seed,
  device: options.device,
  threads: options.threads,
  signal: options.signal,
});

/** What runs beside a step, where that counts. */
function reservedOf({ memory, reserved = 0, teacher, batchSize }: LearnOptions & TaughtOptions): number | undefined {
  return memory === undefined ? undefined : reserved + (teacher ? reservedMemory(teacher.graph, batchSize) : 0);
}
