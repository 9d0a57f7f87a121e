/** A model that was written for a fixed batch, opened; and the proof that it then gives each sample what it gave. */

import { SecateurError } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { bytesPerElement, isFloat, sizeOf, take, type Tensor } from "../graph/tensor.ts";
import { indicesOf, type BatchPlace } from "../passes/batch-place.ts";
import { removeDead } from "../passes/dead.ts";
import { fixedBatch, openings, type Opening } from "../passes/open-batch.ts";
import type { Traced } from "../passes/trace.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { differ } from "../prune/proof/differ.ts";
import { drawInputs } from "../prune/proof/draw.ts";
import type { MachineOptions, Runtime, Tensors } from "../runtime/port.ts";
import { executable } from "./executable.ts";

/** A graph, and the batch that it is bound to where it is. */
export interface Opened {
  readonly graph: Graph;
  /** Absent where the graph runs at any batch. */
  readonly fixed?: { readonly batch: number; readonly why: string };
}

/** Openings that are run before a model is taken to be fixed: the first one fits nearly always. */
const mostTried = 6;
/** Samples of which one run shows that none sees another. */
const shownSamples = 3;
/** Sums in another order come to no more; what another sample brings in is of the size of the values themselves. */
const tolerance = 1e-3;
/** Bytes of values between input and output that are compared; small ones first. */
const mostCompared = 2 ** 25;

/**
 * Opens the batch of a graph that fixes it. Every opening is run on a few random samples beside the graph as it is:
 * outputs and values between must be the same for every sample.
 *
 * @param graph a normalised graph
 * @returns the graph as it is, with the reason, where its batch cannot be opened
 */
export async function openGraph(runtime: Runtime, graph: Graph, options: MachineOptions = {}): Promise<Opened> {
  const batch = fixedBatch(graph);
  if (batch === undefined) return { graph };
  const ways = openings(graph);
  let why: string | undefined;
  for (let tried = 0; tried < mostTried; tried++) {
    const next = ways.next();
    if (next.done) {
      why ??= next.value;
      break;
    }
    const refused = await refute(runtime, graph, next.value, batch, options);
    if (refused === undefined) return { graph: next.value.graph };
    why ??= refused;
  }
  return { graph, fixed: { batch, why: why ?? "no way to open it is left" } };
}

/** What is compared of a value: its samples, by where the batch lies. */
interface Watched {
  readonly name: string;
  readonly place: BatchPlace | undefined;
}

/** Why an opening does not compute what the graph does; `undefined` where it does. */
async function refute(
  runtime: Runtime,
  graph: Graph,
  opening: Opening,
  batch: number,
  options: MachineOptions,
): Promise<string | undefined> {
  const times = Math.max(2, Math.ceil(shownSamples / batch));
  const traced = analyse(opening.graph, { batch: times * batch }).traced;
  const feeds = drawInputs(traced, 0);
  const watched = watchedOf(graph, opening, traced);
  const run = async (one: Graph, many: readonly Tensors[]): Promise<Tensors[]> => {
    const session = await runtime.load(executable(watching(one, watched, traced), options.device), options);
    try {
      const found: Tensors[] = [];
      for (const given of many) found.push(await session.run(given));
      return found;
    } finally {
      await session.dispose();
    }
  };
  try {
    const slices = Array.from({ length: times }, (_, slice) => feedsOfSlice(feeds, opening, batch, times, slice));
    const before = await run(graph, slices);
    const [after] = await run(opening.graph, [feeds]);
    for (const { name, place } of watched)
      for (const [slice, found] of before.entries()) {
        const own = place ? sliceOf(after![name]!, place, batch, times, slice) : after![name]!;
        const { difference } = differ(found[name]!, own);
        if (!(difference <= tolerance))
          return `with an open batch "${name}" differs by ${difference.toPrecision(2)} of its range`;
      }
    return undefined;
  } catch (error) {
    options.signal?.throwIfAborted();
    // What does not run shows that the way was wrong.
    if (error instanceof SecateurError || error instanceof Error) return error.message.split("\n")[0];
    throw error;
  }
}

/** The outputs, and values of the original that are floats and carry the batch. */
function watchedOf(graph: Graph, { graph: opened, places }: Opening, { types }: Traced): Watched[] {
  const outputs = graph.outputs.map(({ name }) => name);
  const computed = new Set(opened.nodes.flatMap((node) => node.outputs));
  const bytes = (name: string): number => sizeOf(types.get(name)!.shape) * bytesPerElement(types.get(name)!.dtype);
  const between = graph.nodes
    .flatMap((node) => node.outputs)
    .filter((name) => places.has(name) && computed.has(name) && !outputs.includes(name))
    .filter((name) => isFloat(types.get(name)?.dtype ?? "string"))
    .toSorted((a, b) => bytes(a) - bytes(b));
  let left = mostCompared;
  const some = between.filter((name) => (left -= bytes(name)) >= 0);
  return [...outputs.filter((name) => isFloat(types.get(name)!.dtype)), ...some].map((name) => ({
    name,
    place: places.get(name),
  }));
}

function watching(graph: Graph, watched: readonly Watched[], { types }: Traced): Graph {
  const declared = new Map(graph.outputs.map((info) => [info.name, info]));
  const outputs = watched.map(({ name }) => declared.get(name) ?? { name, dtype: types.get(name)!.dtype });
  return removeDead({ ...graph, outputs, info: new Map() });
}

/** One of several batches: the inputs that carry no batch are whole. */
function feedsOfSlice(feeds: Tensors, { places }: Opening, batch: number, times: number, slice: number): Tensors {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, value]) => {
      const place = places.get(name);
      return [name, place ? sliceOf(value, place, batch, times, slice) : value];
    }),
  );
}

/** The samples of one of several batches. */
function sliceOf(
  value: Tensor,
  { axis, outer, inner }: BatchPlace,
  batch: number,
  times: number,
  slice: number,
): Tensor {
  const block = { axis, outer, inner: batch * inner };
  return take(value, axis, indicesOf(block, times, slice));
}
