/** The small model: cut, proved, timed, and handed over. */

import { bytes, milliseconds, percent } from "../../parts/format.ts";
import { save } from "../../parts/files.ts";
import { network } from "../../state/network.ts";
import { choice, cut, latency, preview, result, time } from "../../state/pruning.ts";
import { reportOf } from "./report.ts";

export function Outcome() {
  const [made, timed, now] = [result.value, latency.value, network.value];
  if (!now) return null;
  const isWhole = preview.value === undefined || preview.value.costs.params === now.costs.params;
  const base = now.name.replace(/\.onnx$/i, "");
  return (
    <section class="card" aria-labelledby="outcome">
      <h2 id="outcome">3. The small model</h2>
      {!made && (
        <>
          <p>Cutting makes a smaller file. What it computes is held against the original with these units at zero.</p>
          <button type="button" class="main" disabled={isWhole} onClick={() => void cut()}>
            Cut
          </button>
          {isWhole && <p class="quiet">Move a slider first: nothing goes yet.</p>}
        </>
      )}
      {made && (
        <>
          <p>
            {bytes(made.model.byteLength)}.{" "}
            {made.difference === undefined
              ? "It was not proved."
              : `Proved: ${made.elements} numbers differ from zeroing by ${made.difference.toPrecision(2)} of the largest at most.`}
          </p>
          <div class="row">
            <button type="button" class="main" onClick={() => save(`${base}-small.onnx`, made.model)}>
              Download the model
            </button>
            <button type="button" onClick={() => save(`${base}-plan.json`, made.plan, "application/json")}>
              Download the plan
            </button>
            <button
              type="button"
              onClick={() => save(`${base}-report.html`, reportOf(now, made, choice.value, timed), "text/html")}
            >
              Download a report
            </button>
          </div>
          <div class="row">
            <button type="button" onClick={() => void time()}>
              Time both
            </button>
            {timed && (
              <p>
                {milliseconds(timed.before.median)} before, {milliseconds(timed.after.median)} after:{" "}
                <b>{percent(timed.ratio, 0)}</b> of the time. With 95 % confidence the medians lie in{" "}
                {milliseconds(timed.before.low)} to {milliseconds(timed.before.high)} and{" "}
                {milliseconds(timed.after.low)} to {milliseconds(timed.after.high)} ({timed.machine}).
              </p>
            )}
          </div>
        </>
      )}
    </section>
  );
}
