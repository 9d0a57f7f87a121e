/** What the chosen runs came to, one beside the other. */

import { percent } from "../../parts/format.ts";
import { measureOf } from "../../parts/run-record.ts";
import type { ListedRun } from "../../state/watch.ts";
import { shown } from "./charts.tsx";

export function Reached({ runs }: { readonly runs: readonly ListedRun[] }) {
  const rows = runs.flatMap(({ id, name, figures }) => {
    const [before, after] = [figures?.before, figures?.after];
    if (!before || !after) return [];
    // Of a run that only learned, the figures are measurements themselves.
    const [was, is] = [measureOf(before.evaluation ?? before), measureOf(after.evaluation ?? after)];
    const share = (key: "macs" | "params"): string =>
      before.costs && after.costs ? percent(after.costs[key] / before.costs[key]) : "–";
    return [
      {
        id,
        cells: [share("macs"), share("params"), was ? `${was.name} ${shown(was)}` : "–", is ? shown(is) : "–"],
        name,
      },
    ];
  });
  if (rows.length === 0) return null;
  return (
    <section class="card" aria-labelledby="reached">
      <h2 id="reached">What they came to</h2>
      <div class="wide" role="group" aria-labelledby="reached" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {["run", "multiply-accumulates", "parameters", "before", "after"].map((text) => (
                <th key={text} scope="col">
                  {text}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ id, name, cells }) => (
              <tr key={id}>
                <th scope="row">{name}</th>
                {cells.map((cell, i) => (
                  <td key={i}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
