/** What the choice comes to: before and after, at once. */

import { bytes, percent, short } from "../../parts/format.ts";
import { network } from "../../state/network.ts";
import { preview, scores } from "../../state/pruning.ts";

export function Figures() {
  const [now, after] = [network.value, preview.value];
  if (!now || !after) return null;
  const rows = [
    ["Multiply-accumulates", short(now.costs.macs), short(after.costs.macs), after.costs.macs / now.costs.macs],
    ["Parameters", short(now.costs.params), short(after.costs.params), after.costs.params / now.costs.params],
    ["Weights", bytes(now.costs.bytes), bytes(after.costs.bytes), after.costs.bytes / now.costs.bytes],
  ] as const;
  return (
    <section class="card" aria-labelledby="figures" aria-live="polite">
      <h2 id="figures">What is left</h2>
      <table>
        <thead>
          <tr>
            <th scope="col"> </th>
            <th scope="col">before</th>
            <th scope="col">after</th>
            <th scope="col">left</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, before, left, share]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{before}</td>
              <td>{left}</td>
              <td>{Number.isFinite(share) ? percent(share) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p>
        <b>{percent(after.lost, 2)}</b> of all importance goes
        {after.change !== undefined && (
          <>
            , which predicts that the loss changes by about <b>{after.change.toPrecision(2)}</b>
          </>
        )}
        .
      </p>
      <p class="quiet">
        {after.change === undefined
          ? `Importance by ${scores.value?.criterion ?? "magnitude"} predicts no loss; taylor-fo and oracle do.`
          : "This is before any learning: the square root of the sum of squared changes, as if units were independent."}
      </p>
    </section>
  );
}
