/** The width of every group, before and after, each with a slider of its own. */

import { signal } from "@preact/signals";
import { WidthBar } from "../../parts/costs.tsx";
import { groups } from "../../state/network.ts";
import { choice, choose, dropped, preview } from "../../state/pruning.ts";

/** So many groups are shown at first: each has a slider, and thousands of them would make the page slow. */
const firstShown = 60;
const [filter, shown] = [signal(""), signal(firstShown)];

export function Widths() {
  const widths = preview.value?.widths;
  const own = choice.value.own;
  const wanted = filter.value.toLowerCase();
  const found = groups.value.filter(({ name }) => name.toLowerCase().includes(wanted));
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
      {groups.value.length > firstShown && (
        <input
          type="search"
          placeholder="Groups whose names have…"
          aria-label="Show the groups whose names have"
          value={filter.value}
          onInput={(event) => (filter.value = event.currentTarget.value)}
        />
      )}
      <ul>
        {found.slice(0, shown.value).map(({ id, name, units }) => {
          const left = widths?.[name] ?? units;
          const isOwn = own[name] !== undefined;
          return (
            <li key={id} class={isOwn ? "own" : ""}>
              <span class="name" title={name}>
                {name}
              </span>
              <span class="count">{left === units ? units : `${units} → ${left}`}</span>
              <WidthBar before={units} after={left} most={most} />
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
      {found.length > shown.value && (
        <button type="button" onClick={() => (shown.value *= 4)}>
          Show more of the {found.length} groups
        </button>
      )}
    </section>
  );
}
