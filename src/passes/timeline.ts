/** When the values of a graph are there while onnxruntime runs it. */

import { reads, type Graph, type Node, type Type } from "../graph/graph.ts";
import { bytesPerElement, sizeOf } from "../graph/tensor.ts";
import { findOp } from "../ops/table.ts";

/** Memory that a node's output is written to; what only gives the same elements another shape lies in it too. */
export interface Store {
  /** The value that is computed. */
  readonly name: string;
  readonly bytes: number;
  /** The place of its node in the order. */
  readonly from: number;
  /** The places of the nodes that read it, ascending; an output of the graph is read behind the last. */
  readonly reads: readonly number[];
}

export interface Timeline {
  /** The nodes as they run. */
  readonly order: readonly Node[];
  /** By the value that is computed. */
  readonly stores: ReadonlyMap<string, Store>;
  /** The store that a value lies in; `undefined` for inputs and constants. */
  storeOf(value: string): Store | undefined;
  /** The bytes of all stores that are there while each node runs, and at the end. */
  readonly alive: Float64Array;
  /** The most of them, and the place where they are there first. */
  readonly most: number;
  readonly peak: number;
}

export const bytesOf = (type: Type | undefined): number =>
  type ? sizeOf(type.shape) * bytesPerElement(type.dtype) : 0;

/** Where a store is let go: behind the last node that reads it, or its own where none does. */
export const endOf = ({ from, reads: places }: Store): number => places.at(-1) ?? from;

/**
 * The timeline of a graph whose sizes are all fixed.
 *
 * @param types of its values; what has none counts nothing
 * @param elsewhere outputs that are written to memory which is there already
 */
export function timelineOf(
  graph: Graph,
  types: ReadonlyMap<string, Type>,
  elsewhere: ReadonlySet<string> = new Set(),
): Timeline {
  const read = graph.nodes.map(reads);
  // As onnxruntime runs them: back from those that nobody reads, the last of the file first, and at each node what its
  // last input needs first. What is written as evidence at the end is so computed as soon as its gradient is there.
  const sources = sourcesOf(graph, read);
  const places = walkBack(leavesOf(sources), sources);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const found = new Map<string, Store & { readonly reads: number[] }>();
  const lying = new Map<string, string>();
  places.forEach((place, at) => {
    for (const name of read[place]!) {
      const readers = found.get(lying.get(name) ?? "")?.reads;
      if (readers && readers.at(-1) !== at) readers.push(at);
    }
    const node = graph.nodes[place]!;
    const [first] = node.inputs;
    const under = findOp(node.op, node.domain)?.view ? lying.get(first!) : undefined;
    for (const name of node.outputs) {
      if (name === "") continue;
      // An output of the graph has memory of its own.
      const root = outputs.has(name) ? name : (under ?? name);
      lying.set(name, root);
      if (root !== name) continue;
      const bytes = elsewhere.has(name) ? 0 : bytesOf(types.get(name));
      found.set(name, { name, bytes, from: at, reads: [] });
    }
  });
  for (const name of outputs) found.get(name)?.reads.push(places.length);
  const alive = new Float64Array(places.length + 1);
  for (const store of found.values()) {
    alive[store.from]! += store.bytes;
    const end = endOf(store) + 1;
    if (end < alive.length) alive[end]! -= store.bytes;
  }
  for (let at = 1; at < alive.length; at++) alive[at]! += alive[at - 1]!;
  const most = alive.reduce((a, b) => Math.max(a, b), 0);
  const storeOf = (value: string): Store | undefined => found.get(lying.get(value) ?? "");
  const order = places.map((place) => graph.nodes[place]!);
  return { order, stores: found, storeOf, alive, most, peak: alive.indexOf(most) };
}

/** For each node the nodes that compute what it reads, by their places, ascending. */
export function sourcesOf({ nodes }: Graph, read: readonly (readonly string[])[] = nodes.map(reads)): number[][] {
  const producers = new Map<string, number>();
  nodes.forEach(({ outputs }, at) => outputs.forEach((name) => name !== "" && producers.set(name, at)));
  return read.map((names) => [...new Set(names.flatMap((name) => producers.get(name) ?? []))].sort((a, b) => a - b));
}

/** The places of the nodes that nobody reads, ascending. */
export function leavesOf(sources: readonly (readonly number[])[]): number[] {
  const read = new Set(sources.flat());
  return sources.map((_, at) => at).filter((at) => !read.has(at));
}

/**
 * The nodes that some need, sources first, by their places: the last of the list first, and
 * of what a node needs the last first.
 */
export function walkBack(from: readonly number[], sources: readonly (readonly number[])[]): number[] {
  const order: number[] = [];
  const seen = new Uint8Array(sources.length);
  const stack = [...from];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (top < 0) order.push(~top);
    else if (seen[top] === 0) {
      seen[top] = 1;
      stack.push(~top);
      for (const source of sources[top]!) if (seen[source] === 0) stack.push(source);
    }
  }
  return order;
}
