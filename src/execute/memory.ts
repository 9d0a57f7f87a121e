/** The memory that the process is expected to take, by what is alive at once in the graphs that run in it. */

import type { Graph } from "../graph/graph.ts";
import { footprintOf, type Footprint } from "../passes/footprint.ts";
import { analyse } from "../prune/coupling/analysis.ts";

/** What the process takes besides: Node, onnxruntime, and what writing the graph leaves behind. */
const base = 352 * 2 ** 20;
/** A thread of its own. */
const perWorker = 64 * 2 ** 20;
/**
 * A model's own weights, and beside them the runtime's: as they are, and packed for a
 * product or in another order of channels.
 */
const perConstant = 3;
/** What the runtime's pool takes for each byte that is alive: 1.0 to 2.4 on the networks of the benchmark. */
const perActivation = 2.5;
/** The same in a step of training: 1.1 to 1.2 where all is kept, 1.8 where much is computed twice. */
const perLearning = 2;
/**
 * Of what learns, and what is kept beside it: a set to read and one to write, where it started,
 * and three on the way to a checkpoint.
 */
const perCarried = 6;
/** What crosses threads with every step: weights on their way to a worker, and gradients on their way back. */
const perExchange = 3;

/** Bytes that the process is expected to take; those that move go with the batch. */
export interface Expected {
  readonly fixed: number;
  readonly moving: number;
}

/** The bytes that the process is expected to take while a graph runs. */
export function expectedMemory(graph: Graph): Expected {
  const { fixed, moving } = memoryBeside(graph);
  return { fixed: base + fixed, moving };
}

/** The bytes that a graph of fixed sizes is expected to take beside all else in the process. */
export const memoryBeside = (graph: Graph): Expected => beside(footprintOf(graph));

const beside = ({ constants, inputs, activations }: Footprint): Expected => ({
  fixed: perConstant * constants,
  moving: perActivation * (inputs + activations),
});

/** A training step in bytes. */
export interface StepSizes {
  /** What runs all at once, or a worker's part of it; inputs are those of the minibatch. */
  readonly footprint: Footprint;
  readonly workers: number;
  /** Weights and statistics. */
  readonly learned: number;
  /** The same, and what is kept beside them. */
  readonly carried: number;
}

/** The bytes that the process is expected to take while it learns. */
export function expectedStep({ footprint, workers, learned, carried }: StepSizes): Expected {
  const { constants, inputs, activations } = footprint;
  const apart = workers > 1 ? workers * (perWorker + perExchange * learned) : 0;
  return {
    fixed: base + perCarried * carried + apart + workers * (perConstant * constants + perLearning * inputs),
    moving: workers * perLearning * activations,
  };
}

/** The bytes that a model is expected to take which runs while another learns. */
export function reservedMemory(graph: Graph, batch: number): number {
  const { fixed, moving } = beside(footprintOf(graph, analyse(graph, { batch }).traced.types));
  return fixed + moving;
}

export const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GB`;
