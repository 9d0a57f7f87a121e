/** What is written once for a graph and asked for again, as its gradient graph when it is scored a second time. */

import type { Graph } from "../graph/graph.ts";
import { bytesOf, sizeOf, type Tensor } from "../graph/tensor.ts";

/** What was made, by the weight that it goes with: what holds on to no model any more holds on to nothing that was made of it. */
const all = new WeakMap<Tensor, Map<string, unknown>>();
/** Kept for each model, as each holds the coupling and float32 copies of narrower weights; what was asked for longest ago is forgotten first. */
const most = 4;

/**
 * What `make` gives, or gave before for a graph of the same content: the same nodes over the same weights. Weights are the same that are the same objects; other
 * tensors are by what they hold.
 *
 * @param of what it is, and all that it depends on besides the graph; plain data
 */
export function cachedFor<T>(graph: Graph, of: unknown, make: () => T): T {
  const anchor = largest(graph);
  if (anchor === undefined) return make();
  const cached = all.get(anchor) ?? new Map<string, unknown>();
  all.set(anchor, cached);
  const key = `${JSON.stringify(of)}\n${contentOf(graph)}`;
  const found = cached.has(key) ? (cached.get(key) as T) : make();
  cached.delete(key);
  cached.set(key, found);
  if (cached.size > most) cached.delete(cached.keys().next().value!);
  return found;
}

function largest({ initializers }: Graph): Tensor | undefined {
  let found: Tensor | undefined;
  for (const value of initializers.values())
    if (found === undefined || sizeOf(value.shape) > sizeOf(found.shape)) found = value;
  return found;
}

const numbers = new WeakMap<Tensor, number>();
let count = 0;

/** A number for each object. */
function numberOf(value: Tensor): number {
  const known = numbers.get(value) ?? count++;
  numbers.set(value, known);
  return known;
}

/** Up to so many elements a tensor is told by what it holds. */
const small = 64;

const isTensor = (value: unknown): value is Tensor =>
  typeof value === "object" && value !== null && "dtype" in value && "data" in value;

function contentOf(graph: Graph): string {
  return JSON.stringify(graph, (_, value: unknown) => {
    // JSON has no such numbers, and the sign of zero would be lost.
    if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) return `${1 / value} ${value}`;
    if (value instanceof Map) return [...value];
    if (!isTensor(value)) return value;
    const { dtype, shape } = value;
    if (sizeOf(shape) > small) return { dtype, shape, number: numberOf(value) };
    return { dtype, shape, held: dtype === "string" ? value.data : [...bytesOf(value)] };
  });
}
