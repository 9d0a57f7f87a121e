/** How much is to be left, by one slider for the whole. */

import { percent } from "../../parts/format.ts";
import { choice, choose, dropped, history, preview, redo, undo } from "../../state/pruning.ts";
import type { BudgetKind, Choice } from "../../worker/calls.ts";

const kinds: Readonly<Record<BudgetKind, string>> = {
  macs: "multiply-accumulates",
  params: "parameters",
  bytes: "bytes of weights",
};
const normalisations: readonly Choice["normalise"][] = ["none", "mean", "max", "sum", "standardised", "lamp"];

export function Budget() {
  const now = choice.value;
  return (
    <section class="card" aria-labelledby="budget">
      <h2 id="budget">2. How much stays</h2>
      <div class="row">
        <label>
          Budget
          <select
            value={now.kind}
            onChange={(event) => {
              const kind = event.currentTarget.value as BudgetKind;
              choose({ kind, per: now.per === "unit" ? "unit" : kind });
            }}
          >
            {Object.entries(kinds).map(([kind, name]) => (
              <option key={kind} value={kind}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Widths are multiples of
          <select
            value={String(now.roundTo)}
            onChange={(event) => choose({ roundTo: Number(event.currentTarget.value) })}
          >
            {[1, 2, 4, 8, 16, 32].map((each) => (
              <option key={each} value={String(each)}>
                {each}
              </option>
            ))}
          </select>
        </label>
      </div>
      <label class="slider">
        <span>
          Keep <b>{percent(now.share, 0)}</b> of the {kinds[now.kind]}
        </span>
        <input
          type="range"
          min="1"
          max="100"
          step="1"
          value={Math.round(now.share * 100)}
          aria-valuetext={`${Math.round(now.share * 100)} percent`}
          onInput={(event) => choose({ share: Number(event.currentTarget.value) / 100 }, true)}
          onChange={dropped}
        />
      </label>
      {preview.value && !preview.value.met && (
        <p class="notice">
          That little cannot be reached: every group keeps at least one unit, or what its slider says.
        </p>
      )}
      <details>
        <summary>How groups are compared</summary>
        <div class="row">
          <label>
            Importance counts per
            <select value={now.per} onChange={(event) => choose({ per: event.currentTarget.value as Choice["per"] })}>
              <option value={now.kind}>{kinds[now.kind]}</option>
              <option value="unit">unit</option>
            </select>
          </label>
          <label>
            Divided within a group by
            <select
              value={now.normalise}
              onChange={(event) => choose({ normalise: event.currentTarget.value as Choice["normalise"] })}
            >
              {normalisations.map((name) => (
                <option key={name} value={name}>
                  {name === "none" ? "nothing" : name}
                </option>
              ))}
            </select>
          </label>
        </div>
      </details>
      <div class="row">
        <button type="button" disabled={history.past.value.length === 0} onClick={undo}>
          Undo
        </button>
        <button type="button" disabled={history.future.value.length === 0} onClick={redo}>
          Redo
        </button>
        {Object.keys(now.own).length > 0 && (
          <button type="button" onClick={() => choose({ own: {} })}>
            Let the budget choose all groups
          </button>
        )}
      </div>
    </section>
  );
}
