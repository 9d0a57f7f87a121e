/** Finds groups and nodes by their names or operators. */

import { useComputed } from "@preact/signals";
import { inside, lookInside, network, node, query, select } from "../../state/network.ts";

/** More are not listed; a longer word finds fewer. */
const mostShown = 40;

export function Search() {
  const found = useComputed(() => {
    const [now, text] = [network.value, query.value.trim().toLowerCase()];
    if (!now || text === "") return [];
    const vertices = now.vertices
      .filter(({ name }) => name.toLowerCase().includes(text))
      .map(({ id, name, kind }) => ({ key: `v${id}`, name, what: kind as string, vertex: id, node: undefined }));
    const nodes = now.nodes.flatMap(({ name, op, vertex }, id) =>
      name.toLowerCase().includes(text) || op.toLowerCase().includes(text)
        ? [{ key: `n${id}`, name: name || op, what: op, vertex, node: id as number | undefined }]
        : [],
    );
    return [...vertices, ...nodes];
  });
  const go = (hit: (typeof found.value)[number]): void => {
    if (inside.value && inside.value.vertex !== hit.vertex) void lookInside(undefined);
    select(hit.vertex);
    node.value = hit.node;
  };
  return (
    <div class="search">
      <input
        type="search"
        placeholder="Find a group, node or operator"
        aria-label="Find a group, node or operator"
        value={query.value}
        onInput={(event) => (query.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && found.value[0]) go(found.value[0]);
        }}
      />
      {query.value.trim() !== "" && (
        <ul class="links" aria-label="What was found">
          {found.value.slice(0, mostShown).map((hit) => (
            <li key={hit.key}>
              <button type="button" class="link" onClick={() => go(hit)}>
                {hit.name}
              </button>{" "}
              <span class="quiet">{hit.what}</span>
            </li>
          ))}
          {found.value.length === 0 && <li class="quiet">nothing is called so</li>}
          {found.value.length > mostShown && <li class="quiet">and {found.value.length - mostShown} more</li>}
        </ul>
      )}
    </div>
  );
}
