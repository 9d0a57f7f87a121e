/** What the job of pruning tells, and what comes of it. */

import type { ProgressEvent } from "./job.ts";
import type { Model } from "../graph/graph.ts";
import type { Costs } from "../passes/costs.ts";
import type { KeptUnits } from "../prune/select/plan.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import type { Budget } from "../options/budget.ts";
import type { Normalisation, Per } from "../options/ranking.ts";
import type { Drop } from "../evaluate/drop.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import type { LearnEvent } from "../train/events.ts";
import type { LatencyRow } from "../evaluate/latency.ts";
import type { PruneResult } from "../loop/options.ts";
import type { Timing } from "../evaluate/timing.ts";
import type { Left } from "./ruined.ts";
import type { Proved } from "./proving.ts";
import type { WorkersEvent } from "./workers.ts";

/** What a run ranks units by. */
export interface Ranking {
  /** The name of the criterion. */
  readonly criterion: string;
  readonly normalise: Normalisation;
  /** "latency": milliseconds that were measured on this machine. */
  readonly per: Per | "latency";
}

/** What will be done, as far as it can be known before anything is. */
export interface ScheduleEvent {
  readonly kind: "schedule";
  /** About so many; importances decide. Where only a loss or a drop ends pruning, as many as there can be. */
  readonly removals: number;
  /** Minibatches between two of them. */
  readonly every: number;
  /** Minibatches of pruning, and epochs of the data that these are, where its size is known. */
  readonly steps: number;
  readonly pruningEpochs: number | undefined;
  /** Epochs of fine-tuning, and their minibatches. */
  readonly epochs: number;
  readonly tuningSteps: number | undefined;
  /** Of the search for the smallest model that loses little enough: so many are fine-tuned at most, as long as that. */
  readonly tries?: number | undefined;
  readonly batchSize: number;
}

/** What there is before the work begins. */
export interface StartEvent {
  readonly kind: "start";
  readonly costs: Costs;
  readonly units: number;
  readonly groups: readonly GroupSize[];
  readonly target: Budget;
  readonly ranking: Ranking;
  /** What widths are rounded to, where the machine was asked. */
  readonly roundTo?: number | undefined;
}

/** A run goes on that was stopped; what there was before it began. */
export interface ResumeEvent {
  readonly kind: "resume";
  readonly costs: Costs;
  readonly units: number;
}

export interface GroupSize {
  readonly name: string;
  readonly units: number;
}

/** Something begins that may take a while. */
export interface PhaseEvent {
  readonly kind: "phase";
  readonly phase: "measuring" | "timing" | "pruning" | "proving" | "fine-tuning" | "learning";
}

/** What a group's units cost in time was measured. */
export interface LatencyEvent {
  readonly kind: "latency";
  /** Groups measured so far, and all of them. */
  readonly done: number;
  readonly all: number;
  /** Milliseconds at the start, and what each group saves; with the last group. */
  readonly start?: Timing | undefined;
  readonly table?: readonly LatencyRow[] | undefined;
}

/** How long a smaller model takes was measured, to see whether it is fast enough. */
export interface TimedEvent {
  readonly kind: "timed";
  /** As a share of the latency at the start. */
  readonly latency: Timing;
}

/** How good the model is now. */
export interface EvaluationEvent {
  readonly kind: "evaluation";
  readonly at: "start" | "removal" | "pruned" | "end";
  /** Removals so far. */
  readonly step: number;
  readonly units: number;
  readonly evaluation: Evaluation;
}

/** A model on the way will be fine-tuned to see whether it loses too much. */
export interface TryEvent {
  readonly kind: "try";
  /** From 1 on, and the most there can be. */
  readonly number: number;
  readonly most: number;
  /** After how many removals. */
  readonly removals: number;
  readonly units: number;
  readonly costs: Costs;
}

/** A model on the way was fine-tuned to see whether it loses too much on the data that was held out. */
export interface SearchEvent extends Drop {
  readonly kind: "search";
  /** After how many removals. */
  readonly removals: number;
  readonly units: number;
  readonly costs: Costs;
  readonly fits: boolean;
}

/** Pruning has ended; fine-tuning begins. */
export interface PrunedEvent {
  readonly kind: "pruned";
  readonly end: PruneResult["end"];
  readonly removals: number;
  readonly units: number;
  readonly costs: Costs;
}

/** The proof of what was pruned failed; the run goes on. */
export interface UnprovedEvent {
  readonly kind: "unproved";
  readonly reason: string;
}

export type PruneJobEvent =
  | LearnEvent
  | ScheduleEvent
  | ProgressEvent
  | StartEvent
  | ResumeEvent
  | PhaseEvent
  | TryEvent
  | SearchEvent
  | LatencyEvent
  | TimedEvent
  | WorkersEvent
  | EvaluationEvent
  | PrunedEvent
  | UnprovedEvent;

/**
 * With what was lost of the metric, of top-1 or of agreement on the data for validation, where there is any; without
 * labels also with what is left of the original.
 */
export interface PruneOutcome extends Proved, Left, Partial<Pick<Drop, "drop" | "dropInterval">> {
  /** Where `unproved` says why, its metadata does too. */
  readonly model: Model;
  /**
   * `diverged`: learning did harm, while pruning or after. `missed`: the budget seemed to be met when pruning ended,
   * and the model that is written does not meet it. `ruined`: it is met, but little is left of an output of
   * the original, or the distance from it is about that of a constant answer; see `ruined` and `distance`.
   */
  readonly end: PruneResult["end"] | "missed" | "ruined";
  readonly removals: number;
  /**
   * The units of every group of the start that are left: unit i of a group is now what unit `kept.get(group)[i]` was.
   */
  readonly kept: KeptUnits;
  /** All units that were removed, in the numbering of the start: what {@link cut} takes, to prove it later. */
  readonly removal: Removal;
  readonly before: State;
  readonly after: State;
}

/** A model in numbers. */
export interface State {
  readonly costs: Costs;
  readonly units: number;
  readonly groups: readonly GroupSize[];
  readonly evaluation?: Evaluation | undefined;
  /** Milliseconds for one sample, where a latency was to be reached. */
  readonly latency?: Timing | undefined;
}
