/** The list of runs, of which some are chosen. */

import { signal } from "@preact/signals";
import { allRuns, choose, chosen, slots, type ListedRun } from "../../state/watch.ts";
import { Swatch } from "./swatch.tsx";

/** More runs than this are searched. */
const many = 8;
const query = signal("");

export function RunList() {
  const all = allRuns();
  const wanted = query.value.toLowerCase();
  const shown = all.filter(({ name, command, model }) => `${name} ${command} ${model}`.toLowerCase().includes(wanted));
  return (
    <section class="card" aria-labelledby="runs">
      <h2 id="runs">Runs</h2>
      {all.length === 0 && <p class="quiet">No runs were found.</p>}
      {all.length > many && (
        <label class="search">
          <span class="hidden">Search runs</span>
          <input
            type="search"
            placeholder="Search runs"
            value={query.value}
            onInput={(event) => (query.value = event.currentTarget.value)}
          />
        </label>
      )}
      {chosen.value.size >= slots && <p class="notice">No more than {slots} runs are drawn at a time.</p>}
      <ul class="runs">
        {shown.map((run) => (run.runs ? <Sweep key={run.id} run={run} /> : <Run key={run.id} run={run} />))}
      </ul>
    </section>
  );
}

const Run = ({ run }: { readonly run: ListedRun }) => (
  <li>
    <label>
      <input
        type="checkbox"
        checked={chosen.value.has(run.id)}
        onChange={(event) => choose([run.id], event.currentTarget.checked)}
      />
      <Swatch slot={chosen.value.get(run.id)} />
      <span class="name">{run.name}</span>
      <State run={run} />
    </label>
    <p class="quiet">{[`${run.command} ${run.model}`.trim(), started(run)].filter((text) => text !== "").join(", ")}</p>
    {run.problem !== undefined && <p class="notice">{run.problem}</p>}
  </li>
);

function Sweep({ run }: { readonly run: ListedRun }) {
  const ids = run.runs ?? [];
  const areAll = ids.length > 0 && ids.every((id) => chosen.value.has(id));
  const { done = 0, runs = 0 } = run.figures ?? {};
  return (
    <li>
      <label>
        <input
          type="checkbox"
          checked={areAll}
          disabled={ids.length === 0}
          onChange={(event) => choose(ids, event.currentTarget.checked)}
        />
        <span class="name">{run.name}: all its runs</span>
        <State run={run} />
      </label>
      <p class="quiet">
        sweep of {run.model}, {done} of {runs} done
      </p>
    </li>
  );
}

const State = ({ run: { state } }: { readonly run: ListedRun }) => <span class={`state ${state}`}>{state}</span>;

/** When a run began, as the reader's clock has it. */
function started({ started }: ListedRun): string {
  const time = new Date(started);
  if (Number.isNaN(time.getTime())) return "";
  return time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
