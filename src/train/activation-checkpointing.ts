/**
 * Training steps below a size: activations that would take more are not kept for the backward pass,
 * but computed again where it reads them.
 */

import { fail, option } from "../graph/error.ts";
import { byteLength, type Tensor } from "../graph/tensor.ts";
import { footprintOf } from "../passes/footprint.ts";
import { arrange } from "../passes/arrange.ts";
import { recompute, type Recomputed } from "../passes/recompute.ts";
import { expectedStep, gigabytes } from "../execute/memory.ts";
import type { Finished } from "../objective/backward.ts";

export interface FitOptions {
  /**
   * Bytes that the process is to stay below while it learns, by estimate: activations that would take more are computed
   * a second time instead of kept, which gives the same results. Default: all are kept.
   */
  readonly memory?: number | undefined;
  /** Bytes that what runs besides is expected to take, of those that the process is to stay below; default none. */
  readonly reserved?: number | undefined;
  /** Told when a step is opened that computes something a second time. */
  readonly onRecompute?: ((recomputed: RecomputedStep) => void) | undefined;
}

export interface RecomputedStep {
  /** Nodes of the graph that run a second time. */
  readonly nodes: number;
  /** The bytes that the process is expected to take with all activations kept, and as it is. */
  readonly kept: number;
  readonly expected: number;
}

/** A step, and whether something in it is computed a second time on purpose. */
export interface Fitted<S> {
  readonly step: S;
  readonly repeated: boolean;
}

/** A step or a worker's part of one, and what runs beside it. */
export interface Sharing {
  readonly workers: number;
  /** Weights, statistics and optimiser state. */
  readonly carried: ReadonlyMap<string, Tensor>;
  /** The outputs that are written to memory which is there already. */
  readonly elsewhere: ReadonlySet<string>;
}

/** A step or a worker's part of one, and where what it carries starts. */
interface Sized extends Finished {
  readonly carried: ReadonlyMap<string, Tensor>;
}

/**
 * The bytes that the process is expected to take while it learns; those that move go with
 * the activations, which are told too.
 */
export function sizesOf({ graph, types, carried: fed }: Sized, { workers, carried, elsewhere }: Sharing) {
  const { inputs, ...rest } = footprintOf(graph, types, elsewhere);
  const footprint = { ...rest, inputs: inputs - total(fed) };
  return { ...expectedStep({ footprint, workers, learned: total(fed), carried: total(carried) }), ...footprint };
}

const total = (values: ReadonlyMap<string, Tensor>): number =>
  [...values.values()].reduce((sum, value) => sum + byteLength(value), 0);

/**
 * A step, or a worker's part of one, such that the process stays below the limit with all workers at once.
 *
 * @throws SecateurError `bad-option` where it cannot
 */
export function fitStep<S extends Sized>(
  step: S,
  sharing: Sharing,
  { memory, reserved = 0, onRecompute }: FitOptions,
): Fitted<S> {
  if (memory === undefined) return { step, repeated: false };
  const { fixed: own, moving, activations: all } = sizesOf(step, sharing);
  const fixed = own + reserved;
  const kept = fixed + moving;
  if (kept <= memory) return { step, repeated: false };
  const limit = (all * Math.max(0, memory - fixed)) / moving;
  const { graph, repeated, activations } = repeatFor(step, limit, sharing);
  const expected = fixed + (moving * activations) / all;
  if (activations > limit)
    fail(
      "bad-option",
      `a step of training takes about ${gigabytes(expected)}, even with activation checkpointing; ` +
        `${option("memory")} allows less: raise ${option("memory")}, or lower ${option("batchSize")}`,
    );
  if (repeated === 0) return { step: { ...step, graph }, repeated: false };
  onRecompute?.({ nodes: repeated, kept, expected });
  return { step: { ...step, graph }, repeated: true };
}

/** The graph below a limit: its nodes in an order that mostly keeps less, or as they are where only that suffices. */
function repeatFor({ graph, types }: Sized, limit: number, { elsewhere }: Sharing): Recomputed {
  const arranged = recompute(arrange(graph), types, limit, elsewhere);
  if (arranged.activations <= limit) return arranged;
  const asItIs = recompute(graph, types, limit, elsewhere);
  return asItIs.activations < arranged.activations ? asItIs : arranged;
}
