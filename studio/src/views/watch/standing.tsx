/** Where each run stands: what goes on, how far it is, and how long it will take. */

import { percent, seconds, short } from "../../parts/format.ts";
import { timeLeft, type RunRecord } from "../../parts/run-record.ts";
import { chosen, grown, now, openResult, recordOf, type ListedRun } from "../../state/watch.ts";
import { served } from "../../state/served.ts";
import { shown } from "./charts.tsx";
import { Swatch } from "./swatch.tsx";

export function Standing({ runs }: { readonly runs: readonly ListedRun[] }) {
  void grown.value;
  return (
    <section class="card" aria-labelledby="standing">
      <h2 id="standing">Where {runs.length === 1 ? "it stands" : "they stand"}</h2>
      <ul class="standing">
        {runs.map((run) => (
          <One key={run.id} run={run} record={recordOf(run.id)} />
        ))}
      </ul>
    </section>
  );
}

function One({ run, record }: { readonly run: ListedRun; readonly record: RunRecord }) {
  const { costs, units, losses, measured, warning } = record;
  const loss = losses.at(-1)?.[1];
  const best = measured.at(-1)?.measure;
  const isRunning = run.state === "running";
  const done = doneOf(record);
  const facts = [
    isRunning ? doing(record) : run.figures?.end === undefined ? run.state : `${run.state}: ${run.figures.end}`,
    isRunning ? left(record) : undefined,
    costs && `${percent(costs.now / costs.start)} of the multiply-accumulates (${short(costs.now)})`,
    units && `${units.now} of ${units.start} units`,
    loss === undefined ? undefined : `loss ${loss.toPrecision(3)}`,
    best && `${best.name} ${shown(best)}`,
  ].filter((fact) => fact !== undefined);
  return (
    <li>
      <h3>
        <Swatch slot={chosen.value.get(run.id)} /> {run.name}
      </h3>
      {isRunning && done !== undefined && <progress value={done} max={1} aria-label={`How far ${run.name} is`} />}
      <p>{facts.join(" · ")}</p>
      {warning !== undefined && <p class="notice">{warning}</p>}
      {run.state === "ended" && served.value && !run.id.startsWith("dropped") && (
        <button type="button" onClick={() => void openResult(run)} aria-label={`Open its model: ${run.name}`}>
          Open its model
        </button>
      )}
    </li>
  );
}

function doing({ phase, step, removals, schedule, epoch, tries }: RunRecord): string {
  const words = [phase ?? "beginning"];
  if (step?.phase === "prune" && schedule) words.push(`removal ${removals} of about ${schedule.removals}`);
  else if (step?.all !== undefined) words.push(`step ${step.done} of ${step.all}`);
  if (tries && tries.done > 0) words.push(`model ${tries.done} of ${tries.most} at most`);
  else if (step && step.phase !== "prune" && epoch?.all !== undefined)
    words.push(`epoch ${epoch.done} of ${epoch.all}`);
  return words.join(", ");
}

function left(record: RunRecord): string | undefined {
  const milliseconds = timeLeft(record);
  if (milliseconds === undefined || record.time === undefined) return undefined;
  // What is overdue waits for something that was not counted, as a measurement.
  const rest = milliseconds - Math.max(0, now.value - record.time);
  return rest > 0 ? `about ${seconds(rest / 1000)} left` : undefined;
}

/** The share of the phase that is done. */
function doneOf({ step, removals, schedule, costs, target }: RunRecord): number | undefined {
  if (!step) return undefined;
  if (step.phase === "prune") {
    if (costs && target !== undefined && target < costs.start)
      return Math.min(1, (costs.start - costs.now) / (costs.start - target));
    return schedule && Math.min(1, removals / schedule.removals);
  }
  return step.all === undefined ? undefined : Math.min(1, step.done / step.all);
}
