/** The runs of a sweep, each by what it costs and how good it is, and the line of those that no other beats. */

import { percent } from "../../parts/format.ts";
import { chosen, type ListedRun } from "../../state/watch.ts";
import { chosenSweeps, sweepRuns, type SweepRun } from "../../state/sweeps.ts";
import { Chart, type Series } from "./chart.tsx";
import { shown } from "./charts.tsx";

export const Fronts = () => (
  <>
    {chosenSweeps().map((sweep) => (
      <Front key={sweep.id} sweep={sweep} />
    ))}
  </>
);

/** The colour of runs that are not drawn elsewhere: that of text. */
const ink = 5;

function Front({ sweep: { id, name, figures } }: { readonly sweep: ListedRun }) {
  const runs = sweepRuns.value.get(id) ?? [];
  const [first] = runs;
  if (!first) return null;
  const { name: measure, share } = first.after;
  const front = runs.filter(({ inFront }) => inFront).toSorted((a, b) => a.macs - b.macs);
  const line: Series = { name: "the best for their cost", slot: ink, points: front.map(pointOf), as: "line" };
  const dots = runs.map((run): Series => {
    const slot = chosen.value.get(run.id) ?? ink;
    return { name: run.name, slot, points: [pointOf(run)], as: "dots" };
  });
  const original: Series[] = first.before
    ? [{ name: "the original", slot: ink, points: [[1, first.before.value]], as: "dots" }]
    : [];
  const told = front.map((run) => `${run.name}: ${shown(run.after)} at ${percent(run.macs, 0)}`);
  return (
    <Chart
      title={`Which runs of ${name} are best`}
      x="multiply-accumulates that are left"
      y={measure}
      series={[line, ...dots, ...original]}
      showX={(value) => percent(value, 0)}
      showY={(value) => shown({ value, share })}
      summary={`No other run is as good for as little: ${told.join("; ")}`}
      note={
        `Each dot is a run that is done: ${runs.length} of ${figures?.runs ?? runs.length} so far. ` +
        "The line joins those that no other run beats: the others cost more, or are less good."
      }
    />
  );
}

const pointOf = ({ macs, after }: SweepRun) => [macs, after.value] as const;
