/** The network that is open: what it is, where its groups stand, and what is looked at. */

import { batch, computed, signal } from "@preact/signals";
import { call } from "../client.ts";
import type { GivenFile, Layout, NetworkView } from "../worker/calls.ts";
import { during } from "./work.ts";

export const network = signal<NetworkView | undefined>(undefined);
export const layout = signal<Layout | undefined>(undefined);
/** The id of the vertex that is looked at. */
export const selected = signal<number | undefined>(undefined);
/** The vertex of which the nodes are drawn, and where these stand. */
export const inside = signal<{ readonly vertex: number; readonly layout: Layout } | undefined>(undefined);
/** The index of the node that is looked at. */
export const node = signal<number | undefined>(undefined);
export const query = signal("");

/** Of every group, how many units it has; of those alone that can lose some. */
export const groups = computed(() => network.value?.vertices.filter(({ kind }) => kind === "group") ?? []);

const opening = new Set<(view: NetworkView) => void>();
/** Calls back whenever another network is there. */
export const whenOpened = (act: (view: NetworkView) => void): void => void opening.add(act);

/** Opens a model; the page shows it once its groups are placed. */
export const openFiles = (files: readonly GivenFile[]): Promise<void> =>
  during(`opening ${files.length === 1 ? files[0]!.path : `${files.length} files`}`, async (options) => {
    const start = performance.now();
    const view = await call("open", { slot: "main", files }, options);
    const placed = await call("layout", { slot: "main" }, options);
    batch(() => {
      network.value = view;
      layout.value = placed;
      selected.value = node.value = inside.value = undefined;
      query.value = "";
      for (const act of opening) act(view);
    });
    performance.measure("secateur: open", { start });
  });

/** Looks at a vertex, or at none. */
export function select(vertex: number | undefined): void {
  selected.value = vertex;
  node.value = undefined;
}

/** Draws the nodes of a vertex, or all groups again. */
export async function lookInside(vertex: number | undefined): Promise<void> {
  if (vertex === undefined) inside.value = undefined;
  else inside.value = { vertex, layout: await call("layout", { slot: "main", vertex }) };
  node.value = undefined;
}
