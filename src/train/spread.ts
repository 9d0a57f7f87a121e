/** Learning that is spread over machines: what one of them is asked for, what it answers, and who they are. */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Distillation } from "../objective/objective.ts";
import type { MachineOptions } from "../runtime/port.ts";
import type { FitOptions } from "./activation-checkpointing.ts";
import type { LostEvent } from "./events.ts";
import type { StepOptions } from "./step.ts";
import type { Lesson, StepResult } from "./lesson.ts";

/** What of a step is the machine's own: it decides on the time and the memory that it takes, and not on its result. */
export type OwnOptions = MachineOptions & FitOptions;

/**
 * What one machine learns between two averagings. What comes of it follows from this alone, and on processors of one
 * kind it is the same bytes.
 */
export interface IntervalTask {
  /** The model with its weights and statistics, and an open batch. */
  readonly graph: Graph;
  /** What is kept beside them, in their shapes, as `velocity/NAME`. */
  readonly optimiserState: ReadonlyMap<string, Tensor>;
  /** What learns from another model's outputs besides; the graph has an open batch. */
  readonly teacher: (Distillation & { readonly graph: Graph }) | undefined;
  /** How a step learns; its seed decides with the numbers of the lessons what is drawn at random. */
  readonly step: Omit<StepOptions, keyof OwnOptions | "workers" | "capabilities" | "distillation">;
  /** The machine's slice of the minibatches, in their order; at least one. */
  readonly lessons: readonly Lesson[];
  /** Updates that the weights have behind them, for averages of the optimiser that know their age. */
  readonly updates: number;
}

/** What a machine made of its slice. */
export interface IntervalAnswer {
  /** Weights and statistics as they were learned last, by name. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly optimiserState: ReadonlyMap<string, Tensor>;
  /** For each lesson its loss, and what importance is taken from. */
  readonly steps: readonly StepResult[];
  /** Samples that were learned from. */
  readonly samples: number;
}

/** Who learns. */
export interface Machines {
  /** How many take part in the interval that begins now: one that has joined is counted from the next on. */
  readonly count: number;
  /**
   * Has one of them learn. Each task is asked for once, all tasks of an interval at the same time.
   *
   * @throws SecateurError where the task is at fault, on any machine. Whatever else is thrown means that the machine is
   *   lost: what it has learned in this interval counts for nothing.
   */
  run(task: IntervalTask): Promise<IntervalAnswer>;
}

/** What is done with what all machines learned in an interval. */
export interface OuterStep {
  /** How far the weights go towards the mean of all; default 1: they become it. */
  readonly outerRate?: number | undefined;
  /** Nesterov's momentum of these steps; default 0. */
  readonly outerMomentum?: number | undefined;
}

export interface Spread extends OuterStep {
  readonly machines: Machines;
  /** Minibatches of each machine between two averagings; default {@link defaultAverageEvery}. */
  readonly averageEvery?: number | undefined;
  /** Instead of that, minibatches of all machines together. */
  readonly round?: number | undefined;
  /** What a rate that a trial finds is multiplied by, where that does no harm; default 1. */
  readonly rateTimes?: number | undefined;
  readonly onLost?: ((event: LostEvent) => void) | undefined;
}

export const defaultAverageEvery = 10;
