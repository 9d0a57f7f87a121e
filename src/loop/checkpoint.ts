/** A checkpoint: where a run stands, as bytes. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { isFloat, type Tensor } from "../graph/tensor.ts";
import { decodeSafetensors, encodeSafetensors } from "../onnx/safetensors.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { replay } from "../prune/cut/replay.ts";
import type { FinetunePoint } from "../train/finetune.ts";
import type { GoodPoint } from "../train/guard.ts";
import type { WatchState } from "../train/watch.ts";
import type { PrunePoint, PruneResult } from "./options.ts";

/** How pruning ended, for a run that fine-tunes. */
export type PruneEnd = Pick<PruneResult, "removals" | "end">;

export interface Checkpoint {
  readonly point: PrunePoint | FinetunePoint;
  /** How pruning ended, where it has. */
  readonly pruned?: PruneEnd | undefined;
  /** What the caller wants to find again, as JSON. */
  readonly note: Readonly<Record<string, unknown>>;
}

/** What names of tensors begin with. "slot" is from files that are read still. */
const [weight, optimiserState, importance, good, offered] = ["weight ", "slot ", "importance ", "good ", "offered "];

/** What watches over learning, with the removals or steps of its models, whose weights stand apart. */
type StoredWatch = Omit<WatchState, "good" | "offered"> & {
  readonly taken: number;
  readonly good: number;
  readonly offered?: number | undefined;
};

/**
 * The checkpoint in pieces, in the form of safetensors: all float weights, the optimiser state beside them, the
 * importances, and the weights that a run may go back to.
 */
export function encodeCheckpoint({ point, pruned, note }: Checkpoint): Uint8Array[] {
  const tensors = new Map<string, Tensor>();
  const { watched } = point;
  const keep = (prefix: string, graph: Graph | undefined): void => {
    for (const [name, value] of graph?.initializers ?? [])
      if (isFloat(value.dtype)) tensors.set(`${prefix}${name}`, value);
  };
  keep(weight, point.graph);
  keep(good, watched?.good.graph);
  keep(offered, watched?.offered?.graph);
  for (const [name, value] of point.optimiserState) tensors.set(`${optimiserState}${name}`, value);
  const own = point.phase === "prune" ? point.importances : new Map<string, Float64Array>();
  for (const [name, data] of own) tensors.set(`${importance}${name}`, { dtype: "float64", shape: [data.length], data });
  const { phase, position } = point;
  const { learningRate } = point;
  const shared = {
    phase,
    position,
    learningRate,
    watched: watched && { ...watched, good: watched.good.at, offered: watched.offered?.at },
  };
  const place =
    phase === "prune"
      ? { ...shared, met: point.met, groupLosses: point.groupLosses }
      : { ...shared, step: point.step, perEpoch: point.perEpoch };
  const removals = phase === "prune" ? point.removals : (pruned?.removals ?? []);
  const state = { place, removals: removals.map((removal) => Array.from(removal)), end: pruned?.end, note };
  return encodeSafetensors({ tensors, metadata: { secateur: JSON.stringify(state) } });
}

/**
 * @param graph the model that the run began with, prepared as it was then: its units are
 * cut once more, and its weights replaced
 * @param name of the file, for errors
 * @throws SecateurError `bad-data` where the bytes are no checkpoint of this model
 */
export function decodeCheckpoint(bytes: Uint8Array, graph: Graph, name: string): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes, name);
  const text = metadata["secateur"] ?? fail("bad-data", `${name} is no checkpoint`);
  const state = JSON.parse(text) as {
    readonly place: Pick<PrunePoint, "met" | "groupLosses"> &
      Omit<FinetunePoint, "phase" | "watched"> & { readonly phase: string; readonly watched?: StoredWatch };
    readonly removals: readonly (readonly [string, readonly number[]])[][];
    readonly end?: PruneResult["end"];
    readonly note: Record<string, unknown>;
  };
  const removals: Removal[] = state.removals.map((entries) => new Map(entries));
  const named = (prefix: string): Map<string, Tensor> =>
    new Map(
      [...tensors].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
    );
  const carried = {
    graph: withWeights(replay(graph, removals).graph, named(weight), name),
    optimiserState: named(optimiserState),
  };
  const { phase, position, met, groupLosses, step, perEpoch, learningRate } = state.place;
  const pointAt = (prefix: string, at: number): GoodPoint => {
    const form = phase === "prune" ? replay(graph, removals.slice(0, at)).graph : carried.graph;
    return { graph: withWeights(form, named(prefix), name), at };
  };
  const stored = state.place.watched;
  const watched = stored && {
    ...stored,
    good: pointAt(good, stored.good),
    offered: stored.offered === undefined ? undefined : pointAt(offered, stored.offered),
  };
  const point: Checkpoint["point"] =
    phase === "prune"
      ? {
          ...carried,
          phase,
          position,
          met,
          groupLosses,
          learningRate,
          watched,
          removals,
          importances: numbersOf(named(importance)),
        }
      : { ...carried, phase: "finetune", position, step, perEpoch, learningRate, watched };
  return { point, pruned: state.end && { removals, end: state.end }, note: state.note };
}

const numbersOf = (tensors: ReadonlyMap<string, Tensor>): Map<string, Float64Array> =>
  new Map([...tensors].map(([name, { data }]) => [name, data as Float64Array]));

function withWeights(graph: Graph, weights: ReadonlyMap<string, Tensor>, name: string): Graph {
  const initializers = new Map(graph.initializers);
  for (const [key, value] of initializers) {
    if (!isFloat(value.dtype)) continue;
    const found = weights.get(key);
    if (found?.shape.join() !== value.shape.join() || found.dtype !== value.dtype)
      fail("bad-data", `${name} is no checkpoint of this model: "${key}" is missing or of another size`);
    initializers.set(key, found);
  }
  return { ...graph, initializers };
}
