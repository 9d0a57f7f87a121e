/** What a run tells while it goes on. */

import type { Costs } from "../passes/costs.ts";
import type { Removal } from "../prune/coupling/removal.ts";

/** One minibatch was learned from. */
export interface StepEvent {
  readonly kind: "step";
  readonly phase: "prune" | "finetune";
  /** Minibatches of the phase so far. */
  readonly step: number;
  /** Minibatches of the phase in all, where known. */
  readonly steps: number | undefined;
  /** From 1 on. */
  readonly epoch: number;
  /** Epochs of the phase, where known. */
  readonly epochs: number | undefined;
  /** The mean loss of the minibatch before the update. */
  readonly loss: number;
  readonly learningRate: number;
}

/** Units were removed. */
export interface RemovalEvent {
  readonly kind: "removal";
  /** Removals so far. */
  readonly step: number;
  /** The mean training loss since the last removal. */
  readonly loss: number;
  /** In the numbering of before the removal. */
  readonly removed: Removal;
  /** Units that are left. */
  readonly units: number;
  readonly costs: Costs;
  /** The share of the latency at the start, where it is measured. */
  readonly latency?: number | undefined;
  /** What the units were chosen by: the importance of each unit of each group before the removal. */
  readonly importances: ReadonlyMap<string, Float64Array>;
}

/** How far the trial for a learning rate is. */
export interface TrialEvent {
  readonly kind: "trial";
  /** Minibatches so far, and as many as there can be. */
  readonly done: number;
  readonly all: number;
}

/** The learning rate of a phase was found by a trial on a copy of the model. */
export interface RateEvent {
  readonly kind: "rate";
  readonly phase: StepEvent["phase"];
  readonly learningRate: number;
  /** Where several machines learn: what the rate that one machine would have was multiplied by. */
  readonly times?: number | undefined;
  /** That the trial learned from. */
  readonly minibatches: number;
}

/** Learning did harm: it has ended, and the model is what it was when it was still good. */
export interface DivergedEvent {
  readonly kind: "diverged";
  readonly phase: StepEvent["phase"];
  /** Minibatches of the phase by then. */
  readonly step: number;
  /** What the loss had come to (the median of the last minibatches), and the least that this had been. */
  readonly loss: number;
  readonly least: number;
  /** What the loss of a model is that knows nothing. */
  readonly chance: number;
  readonly learningRate: number;
  /** A rate that is worth a try. */
  readonly lower: number;
  /** Minibatches, or while pruning removals, that the model has behind it now. */
  readonly restored: number;
  /**
   * Where removing alone does harm too: the removals after those, and the loss that they leave if nothing is learned.
   */
  readonly removed?: { readonly removals: number; readonly loss: number };
}

/** A machine was lost while several learned, and what it had learned since the last averaging with it. */
export interface LostEvent {
  readonly kind: "lost";
  /** From 1 on, of so many that learned then. */
  readonly machine: number;
  readonly machines: number;
  /** The first minibatch of its slice, from 1 on in its phase; and how many it had. */
  readonly step: number;
  readonly minibatches: number;
  readonly samples: number;
  readonly reason: string;
}

export type LearnEvent = StepEvent | RemovalEvent | TrialEvent | RateEvent | DivergedEvent | LostEvent;
