/** What secateur prune shows of its work. */

import type { ProgressEvent } from "../../jobs/job.ts";
import type {
  EvaluationEvent,
  PruneJobEvent,
  PruneOutcome,
  Ranking,
  ScheduleEvent,
  SearchEvent,
} from "../../jobs/prune-events.ts";
import { isDoubtful } from "../../evaluate/drop.ts";
import { isBuiltIn } from "../../evaluate/metrics.ts";
import { describeLost } from "../../report/lost.ts";
import { noteRounding } from "../limits.ts";
import {
  accuracyOf,
  agreedFigure,
  changeFigure,
  countedOver,
  dropFigure,
  lossFigure,
  metricLabel,
  negative,
  note,
  percent,
  pointsFigure,
  shareFigure,
  short,
  valueFigure,
} from "../output.ts";
import { reportProgress, type Progress } from "../progress.ts";
import type { PruneFlags } from "./prune-options.ts";
import { createClock, describeSchedule, type Clock, type StartSize } from "./time-left.ts";
import { describeDivergence } from "../../train/guard.ts";
import { describeTrial, noteRate, noteWorkers, reportEpochs } from "./train.ts";

/** What the command prints as JSON. */
export const numbersOf = ({ end, removals, before, after, drop, dropInterval, ruined, distance }: PruneOutcome) => ({
  end,
  removals,
  units: after.units,
  before: { ...before.costs, ...before.evaluation, latency: before.latency },
  after: { ...after.costs, ...after.evaluation, latency: after.latency },
  drop,
  dropInterval,
  ruined,
  distance,
});

/** What there was and what is left, as rows of a table. */
export function comparison(outcome: PruneOutcome): string[][] {
  const { before, after } = outcome;
  const rows = [["", "before", "after", "change"]];
  for (const key of ["params", "macs", "bytes"] as const) {
    const [was, is] = [before.costs[key], after.costs[key]];
    rows.push([key, short(was), short(is), (is / was).toFixed(3)]);
  }
  if (before.latency && after.latency) {
    const [was, is] = [before.latency.median, after.latency.median];
    rows.push(["ms", was.toFixed(3), is.toFixed(3), (is / was).toFixed(3)]);
  }
  return [...rows, ...measures(outcome)];
}

/** What was measured before and after, each with what became of it. */
function measures({ before, after, dropInterval }: PruneOutcome): string[][] {
  const [first, last] = [before.evaluation, after.evaluation];
  if (!first || !last) return [];
  const counts = first.metric?.name ?? (first.top1 === undefined ? "agreement" : "top1");
  const rows = (["top1", "top5", "agreement"] as const).flatMap((key) => {
    const [was, is] = [first[key], last[key]];
    if (was === undefined || is === undefined) return [];
    const gained = key === counts && dropInterval ? negative(dropInterval) : undefined;
    // The original agrees with itself.
    const start = key === "agreement" ? "100 %" : shareFigure(was, first.samples);
    const now = agreedFigure(is, key, last);
    return [[metricLabel(key), start, now, pointsFigure(100 * (is - was), countedOver(key, last), gained)]];
  });
  const [was, is] = [first.metric, last.metric];
  if (was && is && !isBuiltIn(was.name))
    rows.push([metricLabel(was.name), valueFigure(was.value, was), valueFigure(is.value, is), changeFigure([was, is])]);
  if (first.loss === undefined || last.loss === undefined) return rows;
  const more = last.loss - first.loss;
  const loss = first.agreement === undefined ? "loss" : "divergence";
  return [...rows, [loss, lossFigure(first.loss), lossFigure(last.loss), `${more < 0 ? "" : "+"}${lossFigure(more)}`]];
}

/** What units are ranked by, in a line. */
const describeRanking = ({ criterion, normalise, per }: Ranking): string => {
  const within = normalise === "none" ? "" : `, normalised by ${normalise} within each group`;
  return `units are ranked by ${criterion}${within}, per ${counted[per]}`;
};

const counted: Readonly<Record<Ranking["per"], string>> = {
  unit: "unit",
  macs: "multiply-accumulate that they cost",
  params: "parameter that they cost",
  bytes: "byte that they cost",
  latency: "millisecond that they cost",
};

/** A model on the way, as the subject of a sentence. */
const sizeOf = ({ removals, costs }: Pick<SearchEvent, "removals" | "costs">, all: number): string =>
  `the model of ${percent(costs.macs / all)} of the MACs (${removals} removal${removals === 1 ? "" : "s"})`;

/** What later lines say of the run on its way. */
interface Way {
  /** Multiply-accumulates of the model as it came. */
  all: number;
  start?: StartSize;
  clock?: Clock;
  schedule?: ScheduleEvent;
  /** The size that the last removal came to, as the beginning of a line. */
  reached: string;
  /** The time that is left, as the end of a line. */
  left: string;
}

/** What is shown of each kind of event. */
type Shown = { readonly [K in PruneJobEvent["kind"]]: (event: PruneJobEvent & { readonly kind: K }) => void };

/** Shows events on the progress line. */
export function createShow(
  progress: Progress,
  { maxDrop }: Pick<PruneFlags, "maxDrop">,
): (event: PruneJobEvent) => void {
  const way: Way = { all: Number.NaN, reached: "", left: "" };
  const shown: Shown = {
    ...beginnings(way),
    ...learning(progress, way),
    ...measurements(progress, way),
    ...models(progress, way, maxDrop),
  };
  return (event) => (shown[event.kind] as (event: PruneJobEvent) => void)(event);
}

/** What is known before the first minibatch, and what goes wrong on the way. */
function beginnings(way: Way): Pick<Shown, "start" | "resume" | "schedule" | "workers" | "rate" | "lost" | "unproved"> {
  return {
    start(event) {
      [way.all, way.start] = [event.costs.macs, event];
      note(describeRanking(event.ranking));
      if (event.roundTo !== undefined) noteRounding(event.roundTo);
    },
    resume(event) {
      [way.all, way.start] = [event.costs.macs, event];
    },
    schedule(event) {
      note(describeSchedule(event));
      [way.schedule, way.clock] = [event, createClock(way.start!, event)];
    },
    workers: noteWorkers,
    rate: noteRate,
    lost: (event) => note(describeLost(event)),
    unproved: ({ reason }) => note(`the proof failed, the run goes on: ${reason}`),
  };
}

/** Learning and removing. */
function learning(
  progress: Progress,
  way: Way,
): Pick<Shown, "phase" | "trial" | "step" | "removal" | "diverged" | "pruned"> {
  let epochs: ReturnType<typeof reportEpochs> | undefined;
  const reach = (loss: number, done?: number): void =>
    progress.update(`${way.reached}loss ${loss.toFixed(4)}${way.left}`, done);
  return {
    phase({ phase }) {
      if (phase === "fine-tuning") epochs = undefined;
      progress.update(`${way.reached}${phase}`);
    },
    trial: (event) => progress.update(describeTrial(event)),
    step(event) {
      if (event.phase !== "prune") return (epochs ??= reportEpochs(progress, way.schedule?.batchSize ?? 0))(event);
      way.clock?.begin();
      reach(event.loss);
    },
    removal(event) {
      const { step, units, costs, loss } = event;
      way.reached = `removal ${step}, ${units} units, ${short(costs.macs)} MACs (${percent(costs.macs / way.all)}), `;
      way.left = way.clock === undefined ? "" : `, ${way.clock.after(event)}`;
      reach(loss, step / Math.max(step, way.schedule?.removals ?? 0));
    },
    diverged: (event) => progress.done(describeDivergence(event)),
    pruned({ removals, units, costs }) {
      way.reached = "";
      progress.done(`pruned in ${removals} removals to ${units} units, ${short(costs.macs)} MACs`);
    },
  };
}

const evaluatedAt: Readonly<Record<EvaluationEvent["at"], (step: number) => string>> = {
  start: () => "at the start",
  removal: (step) => `after ${step} removals`,
  pruned: () => "pruned",
  end: () => "at the end",
};

/** How good and how fast a model is. */
function measurements(
  progress: Progress,
  way: Readonly<Way>,
): Pick<Shown, ProgressEvent["kind"] | "evaluation" | "latency" | "timed"> {
  const measuring = reportProgress(progress);
  return {
    samples: measuring,
    minibatches: measuring,
    rounds: measuring,
    forms: measuring,
    evaluation: ({ at, step, evaluation, units }) =>
      progress.done(`${evaluatedAt[at](step)}: ${accuracyOf(evaluation)} with ${units} units`),
    latency({ start, done, all }) {
      if (start) progress.done(`one sample takes ${start.median.toFixed(2)} ms`);
      else progress.update(`time that groups save: ${done} of ${all}`);
    },
    timed: ({ latency }) => progress.update(`${way.reached}timing: ${percent(latency.median)} of the latency`),
  };
}

/** Models on the way that the search for the smallest looks at. */
function models(progress: Progress, way: Way, maxDrop: PruneFlags["maxDrop"]): Pick<Shown, "try" | "search"> {
  return {
    try: (event) => progress.done(`try ${event.number} of at most ${event.most}: ${sizeOf(event, way.all)}`),
    search: (event) =>
      progress.done(
        `${sizeOf(event, way.all)} ${dropFigure(event)}: ` +
          (event.fits ? "little enough" : "too much") +
          (isDoubtful(event, maxDrop) ? ", as far as so few samples tell" : ""),
      ),
  };
}
