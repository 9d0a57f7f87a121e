/**
 * The smallest model that is still good enough: pruned once, then fine-tuned from one
 * removal or another until it is found which.
 */

import { joinBytes } from "../graph/join-bytes.ts";
import type { Graph } from "../graph/graph.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../loop/checkpoint.ts";
import type { FinetunePoint } from "../train/finetune.ts";
import type { PrunePoint } from "../loop/options.ts";

/** Where models on the way are kept. */
export interface Store {
  keep(name: string, pieces: readonly Uint8Array[]): Promise<void>;
  /** What was kept under a name, if anything was. */
  kept(name: string): Promise<Uint8Array | undefined>;
}

export function memoryStore(): Store {
  const all = new Map<string, Uint8Array>();
  return {
    async keep(name, pieces) {
      all.set(name, joinBytes(pieces));
    },
    kept: async (name) => all.get(name),
  };
}

/** A model on the way, and what was removed of it. */
export interface StoredModel {
  readonly graph: Graph;
  readonly removals: readonly Removal[];
}

const nothing = { optimiserState: new Map(), importances: new Map() };
const nowhere = { position: { epoch: 0, batch: 0 }, step: 0, perEpoch: undefined };

/** Keeps the model after a removal, without what its learning would go on with. */
export const keepRemoval = (store: Store, point: PrunePoint): Promise<void> =>
  store.keep(nameOf(point.removals.length), encodeCheckpoint({ point: { ...point, ...nothing }, note: {} }));

/** Keeps the smallest model so far that is good enough. */
export function keepBest(store: Store, { graph, removals }: StoredModel): Promise<void> {
  const point: FinetunePoint = { ...nowhere, phase: "finetune", graph, optimiserState: new Map() };
  return store.keep(best, encodeCheckpoint({ point, pruned: { removals, end: "met" }, note: {} }));
}

const best = "best";
const nameOf = (removals: number): string => String(removals).padStart(4, "0");

/** The model after so many removals, or the best one, from the model at the start. */
export async function readStored(
  store: Store,
  which: number | typeof best,
  start: Graph,
): Promise<StoredModel | undefined> {
  const name = typeof which === "number" ? nameOf(which) : which;
  const bytes = await store.kept(name);
  if (!bytes) return undefined;
  const { point, pruned } = decodeCheckpoint(bytes, start, name);
  return { graph: point.graph, removals: point.phase === "prune" ? point.removals : pruned!.removals };
}

/** How many models {@link mostThatFit} looks at, at most. */
export const mostTries = (count: number): number => Math.ceil(Math.log2(count + 1));

/**
 * Finds by halving after how many removals a model still fits, as if fewer removals always fitted too.
 *
 * @param tried what is known already, by the number of removals
 * @param fits fine-tunes the model after so many removals and looks
 * @returns the most removals that fit; 0 where none do
 */
export async function mostThatFit(
  count: number,
  tried: Map<number, boolean>,
  fits: (removals: number) => Promise<boolean>,
): Promise<number> {
  let [low, high] = [0, count + 1];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const fit = tried.get(middle) ?? (await fits(middle));
    tried.set(middle, fit);
    if (fit) low = middle;
    else high = middle;
  }
  return low;
}
