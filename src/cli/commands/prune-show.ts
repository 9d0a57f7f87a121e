/** What secateur prune shows of its work. */

import type { PruneJobEvent, PruneOutcome } from "../../jobs/prune-events.ts";
import type { Ranking } from "../../jobs/ranking.ts";
import { noteRounding } from "../limits.ts";
import { accuracyOf, lostFigure, metricFigure, note, percent, short } from "../output.ts";
import { reportProgress, type Progress } from "../progress.ts";
import { createClock, describeSchedule, type Clock, type StartSize } from "./time-left.ts";
import { describeTrial, noteDiverged, noteRate, noteWorkers, reportEpochs } from "./train.ts";

/** What the command prints as JSON. */
export const numbersOf = ({ end, removals, before, after }: PruneOutcome) => ({
  end,
  removals,
  units: after.units,
  before: { ...before.costs, ...before.evaluation, latency: before.latency },
  after: { ...after.costs, ...after.evaluation, latency: after.latency },
});

/** What there was and what is left, as rows of a table. */
export function comparison({ before, after }: PruneOutcome): string[][] {
  const rows = [["", "before", "after", "ratio"]];
  for (const key of ["params", "macs", "bytes"] as const) {
    const [was, is] = [before.costs[key], after.costs[key]];
    rows.push([key, short(was), short(is), (is / was).toFixed(3)]);
  }
  if (before.latency && after.latency) {
    const [was, is] = [before.latency.median, after.latency.median];
    rows.push(["ms", was.toFixed(3), is.toFixed(3), (is / was).toFixed(3)]);
  }
  for (const key of ["top1", "top5", "agreement"] as const) {
    const [was, is] = [before.evaluation?.[key], after.evaluation?.[key]];
    if (was !== undefined && is !== undefined) rows.push([key, percent(was), percent(is), ""]);
  }
  const [was, is] = [before.evaluation?.metric, after.evaluation?.metric];
  if (was && is && !rows.some(([name]) => name === was.name))
    rows.push([was.name, metricFigure(was), metricFigure(is), ""]);
  return rows;
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

/** Shows events on the progress line. */
export function createShow(progress: Progress, batchSize: number): (event: PruneJobEvent) => void {
  const measuring = reportProgress(progress);
  let [all, reached, left] = [Number.NaN, "", ""];
  let removals = 0;
  let start: StartSize | undefined;
  let clock: Clock | undefined;
  let epochs: ReturnType<typeof reportEpochs> | undefined;
  return (event) => {
    switch (event.kind) {
      case "phase":
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
        ({ removals } = event);
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
      case "search": {
        const lost = `${lostFigure(event.metric, event.drop)} lost after ${event.removals} removals`;
        progress.done(`${lost}, ${short(event.costs.macs)} MACs: ${event.fits ? "smaller?" : "too much"}`);
        break;
      }
      case "removal":
        reached = `removal ${event.step}, ${event.units} units, ${short(event.costs.macs)} MACs (${percent(event.costs.macs / all)}), `;
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
      case "trial":
        progress.update(describeTrial(event));
        break;
      case "rate":
        noteRate(event);
        break;
      case "diverged":
        noteDiverged(progress, event);
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
