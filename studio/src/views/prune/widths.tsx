/** The width of every group, before and after, each with a slider of its own. */

import { groups } from "../../state/network.ts";
import { choice, choose, dropped, preview } from "../../state/pruning.ts";

export function Widths() {
  const widths = preview.value?.widths;
  const own = choice.value.own;
  const most = Math.max(1, ...groups.value.map(({ units }) => units));
  if (groups.value.length === 0)
    return (
      <section class="card">
        <p class="notice">No unit of this network can be removed. The reasons stand under Network.</p>
      </section>
    );
  return (
    <section class="card widths" aria-labelledby="widths">
      <h2 id="widths">Widths</h2>
      <p class="quiet">Move a slider to set a group by hand. The budget then chooses among the others.</p>
      <ul>
        {groups.value.map(({ id, name, units }) => {
          const left = widths?.[name] ?? units;
          const isOwn = own[name] !== undefined;
          return (
            <li key={id} class={isOwn ? "own" : ""}>
              <span class="name" title={name}>
                {name}
              </span>
              <span class="count">{left === units ? units : `${units} → ${left}`}</span>
              <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                <rect class="before" width={(100 * units) / most} height="8" />
                <rect class="after" width={(100 * left) / most} height="8" />
              </svg>
              <input
                type="range"
                min="1"
                max={units}
                step={choice.value.roundTo <= units ? 1 : units}
                value={left}
                aria-label={`Units left of ${name}`}
                onInput={(event) =>
                  choose({ own: { ...choice.value.own, [name]: Number(event.currentTarget.value) } }, true)
                }
                onChange={dropped}
              />
              {isOwn && (
                <button
                  type="button"
                  class="link"
                  aria-label={`Let the budget choose ${name}`}
                  onClick={() => {
                    const { [name]: _, ...others } = choice.value.own;
                    choose({ own: others });
                  }}
                >
                  free
                </button>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
