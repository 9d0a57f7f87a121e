/** What a run writes down of itself: how it was asked for, what happened, and what came of it. */

import type {
  EvaluationEvent,
  LatencyEvent,
  TimedEvent,
  PhaseEvent,
  PruneJobEvent,
  PrunedEvent,
  PruneOutcome,
  SearchEvent,
  TryEvent,
  ResumeEvent,
  ScheduleEvent,
  StartEvent,
  UnprovedEvent,
} from "../jobs/prune-events.ts";
import type { Dim } from "../graph/graph.ts";
import type { DType } from "../graph/tensor.ts";
import type { ProgressEvent } from "../jobs/job.ts";
import type { Left, RuinedEvent } from "../jobs/ruined.ts";
import type { EpochEvent, TrainJobEvent } from "../jobs/train.ts";
import type { WorkersEvent } from "../jobs/workers.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import type { DivergedEvent, LostEvent, RateEvent, RemovalEvent, StepEvent, TrialEvent } from "../train/events.ts";

/** `config.json`: how a run was asked for. */
export interface RunConfig {
  readonly command: string;
  /** Of secateur. */
  readonly version: string;
  readonly started: string;
  readonly model: { readonly path: string; readonly sha256: string };
  /** The folder that the run was begun in and its own, absolute, to find files again. Absent in old runs. */
  readonly folder?: string;
  readonly dir?: string;
  /** All options by their names on the command line, in camel case. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The command that repeats the run. */
  readonly repeat: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Why there is nothing to measure accuracy on, and what to add. */
  readonly unmeasured?: string | undefined;
}

/** An input of the model that was written. */
export interface InputForm {
  readonly name: string;
  readonly dtype: DType;
  /** Open axes by their names. */
  readonly shape?: readonly Dim[] | undefined;
}

interface Written {
  /** The model that was written. */
  readonly output: string;
  /** Absent in runs of old. */
  readonly inputs?: readonly InputForm[] | undefined;
}

/** How often a machine was lost that learned with others, and the samples that were not learned from. */
export interface Lost {
  readonly times: number;
  readonly samples: number;
}

/** `summary.json` of a run of prune: what it reached. */
export interface PruneSummary extends Omit<PruneOutcome, "model" | "kept" | "removal">, Written {
  readonly lost?: Lost | undefined;
}

/** `summary.json` of a run of train or finetune. */
export interface LearnSummary extends Written, Left {
  readonly lost?: Lost | undefined;
  readonly epochs: number;
  /** Absent where there was nothing to measure by. */
  readonly before?: Evaluation | undefined;
  readonly after?: Evaluation | undefined;
}

/** `summary.json`: what a finished run reached. */
export type RunSummary = PruneSummary | LearnSummary;

/** What commands that leave a record tell. */
export type RunEvent = PruneJobEvent | TrainJobEvent;
/** What of it goes into the record. */
export type LastingEvent = Exclude<RunEvent, PassingEvent>;
/** What is of the moment only: how much of a measurement or a trial is done. */
export type PassingEvent = ProgressEvent | TrialEvent;

/** A group before a removal, by what its units were chosen by. */
export interface GroupRecord {
  readonly name: string;
  readonly units: number;
  /** Units that this removal took. */
  readonly removed: number;
  /** Of the importances of the group's units, as is all that follows. */
  readonly least: number;
  readonly median: number;
  readonly most: number;
  readonly sum: number;
  /** Sums over the least important {@link leastShares} of the units. */
  readonly leastSums: readonly number[];
}

/** The shares of a group's units, the least important first, whose importances are summed in a record. */
export const leastShares = [0.1, 0.25, 0.5, 0.75, 0.9] as const;

/** A removal with a few numbers of each group instead of single units, which are in the plans. */
export interface RemovalRecord extends Omit<RemovalEvent, "removed" | "importances"> {
  readonly groups: readonly GroupRecord[];
}

/** A line of `events.jsonl`. */
export type RunRecord = { readonly time: string } & (
  | StepEvent
  | RateEvent
  | DivergedEvent
  | LostEvent
  | StartEvent
  | ScheduleEvent
  | ResumeEvent
  | LatencyEvent
  | TimedEvent
  | WorkersEvent
  | PhaseEvent
  | TryEvent
  | SearchEvent
  | EvaluationEvent
  | PrunedEvent
  | UnprovedEvent
  | RuinedEvent
  | EpochEvent
  | RemovalRecord
);

const passing: ReadonlySet<RunEvent["kind"]> = new Set(["samples", "minibatches", "rounds", "forms", "trial"]);

export const isPassing = (event: RunEvent): event is PassingEvent => passing.has(event.kind);

/** An event as a line of the record. */
export function recordOf(event: LastingEvent, time: string): RunRecord {
  if (event.kind !== "removal") return { time, ...event };
  const { removed, importances, ...rest } = event;
  const groups = [...importances].map(([name, values]) => {
    const sorted = Float64Array.from(values).sort();
    const at = (share: number): number => sorted[Math.round((sorted.length - 1) * share)]!;
    const sumOf = (share: number): number =>
      sorted.subarray(0, Math.round(sorted.length * share)).reduce((a, b) => a + b, 0);
    return {
      name,
      units: values.length,
      removed: removed.get(name)?.length ?? 0,
      least: at(0),
      median: at(0.5),
      most: at(1),
      sum: sumOf(1),
      leastSums: leastShares.map(sumOf),
    };
  });
  return { time, ...rest, groups };
}
