/** What secateur prune shows of its work. */

import type { PruneJobEvent, PruneOutcome, Ranking, SearchEvent } from "../../jobs/prune-events.ts";
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

/** Shows events on the progress line. */
export function createShow(
  progress: Progress,
  { maxDrop }: Pick<PruneFlags, "maxDrop">,
): (event: PruneJobEvent) => void {
  const measuring = reportProgress(progress);
  let [all, reached, left] = [Number.NaN, "", ""];
  let [removals, batchSize] = [0, 0];
  let start: StartSize | undefined;
  let clock: Clock | undefined;
  let epochs: ReturnType<typeof reportEpochs> | undefined;
  return (event) => {
    switch (event.kind) {
      case "phase":
        if (event.phase === "fine-tuning") epochs = undefined;
        progress.update(reached === "" ? event.phase : `${reached}${event.phase}`);
        break;
      case "samples":
      case "forms":
        measuring(event);
        break;
      case "start":
        all = event.costs.macs;
        start = event;
        note(describeRanking(event.ranking));
        if (event.roundTo !== undefined) noteRounding(event.roundTo);
        break;
      case "unproved":
        note(`the proof failed, the run goes on: ${event.reason}`);
        break;
      case "resume":
        all = event.costs.macs;
        start = event;
        break;
      case "schedule":
        note(describeSchedule(event));
        ({ removals, batchSize } = event);
        clock = createClock(start!, event);
        break;
      case "evaluation": {
        const accuracy = accuracyOf(event.evaluation);
        const at = {
          start: "at the start",
          removal: `after ${event.step} removals`,
          pruned: "pruned",
          end: "at the end",
        };
        progress.done(`${at[event.at]}: ${accuracy} with ${event.units} units`);
        break;
      }
      case "try":
        progress.done(`try ${event.number} of at most ${event.most}: ${sizeOf(event, all)}`);
        break;
      case "search":
        progress.done(
          `${sizeOf(event, all)} ${dropFigure(event)}: ` +
            (event.fits ? "little enough" : "too much") +
            (isDoubtful(event, maxDrop) ? ", as far as so few samples tell" : ""),
        );
        break;
      case "removal":
        reached =
          `removal ${event.step}, ${event.units} units, ${short(event.costs.macs)} MACs ` +
          `(${percent(event.costs.macs / all)}), `;
        left = clock === undefined ? "" : `, ${clock.after(event)}`;
        progress.update(`${reached}loss ${event.loss.toFixed(4)}${left}`, event.step / Math.max(event.step, removals));
        break;
      case "latency":
        if (event.start) progress.done(`one sample takes ${event.start.median.toFixed(2)} ms`);
        else progress.update(`time that groups save: ${event.done} of ${event.all}`);
        break;
      case "workers":
        noteWorkers(event);
        break;
      case "lost":
        note(describeLost(event));
        break;
      case "trial":
        progress.update(describeTrial(event));
        break;
      case "rate":
        noteRate(event);
        break;
      case "diverged":
        progress.done(describeDivergence(event));
        break;
      case "timed":
        progress.update(`${reached}timing: ${percent(event.latency.median)} of the latency`);
        break;
      case "pruned":
        reached = "";
        progress.done(`pruned in ${event.removals} removals to ${event.units} units, ${short(event.costs.macs)} MACs`);
        break;
      case "step":
        if (event.phase === "prune") {
          clock?.begin();
          progress.update(`${reached}loss ${event.loss.toFixed(4)}${left}`);
        } else (epochs ??= reportEpochs(progress, batchSize))(event);
    }
  };
}
