/** What the choice comes to: before and after, at once. */

import { CostTable } from "../../parts/costs.tsx";
import { percent } from "../../parts/format.ts";
import { network } from "../../state/network.ts";
import { preview, scores } from "../../state/pruning.ts";

export function Figures() {
  const [now, after] = [network.value, preview.value];
  if (!now || !after) return null;
  return (
    <section class="card" aria-labelledby="figures" aria-live="polite">
      <h2 id="figures">What is left</h2>
      <CostTable before={now.costs} after={after.costs} heads={["before", "after", "left"]} />
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
