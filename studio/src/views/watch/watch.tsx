/** Runs as they go on, and those of the past: the loss, what is left, and how wide the groups still are. */

import "uplot/dist/uPlot.min.css";
import "./watch.css";
import { useEffect } from "preact/hooks";
import { filesIn } from "../../parts/files.ts";
import { served } from "../../state/served.ts";
import { watchSweeps } from "../../state/sweeps.ts";
import { allRuns, chosenRuns, openRuns, silence, watch } from "../../state/watch.ts";
import { LossChart, MeasureChart } from "./charts.tsx";
import { Reached } from "./reached.tsx";
import { Fronts } from "./front.tsx";
import { RunList } from "./runs.tsx";
import { Standing } from "./standing.tsx";
import { RunWidths } from "./widths.tsx";

export function WatchPage() {
  useEffect(watch, []);
  useEffect(watchSweeps, []);
  const runs = chosenRuns();
  return (
    <div class="columns watch">
      <div>
        {silence.value !== undefined && (
          <p class="notice" role="status">
            {silence.value}
          </p>
        )}
        <RunList />
        <Files />
      </div>
      <div>
        {runs.length === 0 ? (
          <section class="card">
            <p>{allRuns().length === 0 ? "There is no run to look at yet." : "Choose a run to look at it."}</p>
          </section>
        ) : (
          <>
            <Standing runs={runs} />
            <Fronts />
            <LossChart runs={runs} />
            <MeasureChart runs={runs} />
            <RunWidths runs={runs} />
            <Reached runs={runs} />
          </>
        )}
      </div>
    </div>
  );
}

/** Runs from files, which is all there is where no server tells of any. */
const Files = () => (
  <section class="card" aria-labelledby="files">
    <h2 id="files">From files</h2>
    <p>
      {served.value
        ? "Drop the folder of a run here to look at it beside the others."
        : "This page has no server that tells of runs: `secateur studio` in a terminal shows them as they go on. " +
          "Drop the folder of a run here, or its events.jsonl, to look at what it has done so far."}
    </p>
    <label class="file">
      <span>Choose events.jsonl</span>
      <input
        type="file"
        multiple
        accept=".jsonl,.json"
        onChange={(event) => void openRuns(filesIn(event.currentTarget))}
      />
    </label>
  </section>
);
