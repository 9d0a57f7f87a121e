/** How wide the groups of a run still are. */

import { signal } from "@preact/signals";
import { WidthList } from "../../parts/costs.tsx";
import { grown, recordOf, type ListedRun } from "../../state/watch.ts";

/** The run whose widths are shown, where several are chosen. */
const wanted = signal<string | undefined>(undefined);

export function RunWidths({ runs }: { readonly runs: readonly ListedRun[] }) {
  void grown.value;
  const pruned = runs.filter(({ id }) => recordOf(id).widths.size > 0);
  const run = pruned.find(({ id }) => id === wanted.value) ?? pruned[0];
  if (!run) return null;
  const widths = [...recordOf(run.id).widths.values()];
  return (
    <section class="card widths plain" aria-labelledby="widths">
      <h2 id="widths">Widths</h2>
      {pruned.length > 1 && (
        <div class="row">
          <label>
            Of the run
            <select value={run.id} onChange={(event) => (wanted.value = event.currentTarget.value)}>
              {pruned.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </div>
      )}
      <WidthList groups={widths.map(({ name, before, left }) => ({ name, before, after: left }))} />
    </section>
  );
}
