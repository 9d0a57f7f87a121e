/**
 * What float32 can tell of a graph: how much it computes differs where its weights and inputs are rounded otherwise.
 */

import type { Graph } from "../../graph/graph.ts";
import { sizeOf, type Tensor } from "../../graph/tensor.ts";
import { mostScales } from "../../passes/trace.ts";
import type { Tensors } from "../../runtime/port.ts";

/** Some roundings of 2 ** -24 each: what sums of thousands of terms lose in another order. */
const step = 2 ** -20;

/**
 * A tensor of which each element is a hair larger or smaller. What is no float32 stays. So do numbers on their own,
 * such as exponents, and lists so short that they may be the scales of a Resize: a hair less of those is an image
 * without its last row.
 */
function perturbed(value: Tensor, seed: number): Tensor {
  const { dtype, shape } = value;
  if (dtype !== "float32" || sizeOf(shape) < 2 || (shape.length < 2 && sizeOf(shape) <= mostScales)) return value;
  const data = Float32Array.from(value.data as Float32Array);
  for (let i = 0; i < data.length; i++) {
    let bits = Math.imul(i + Math.imul(seed, 0x9e3779b9), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    data[i]! *= (bits ^ (bits >>> 16)) & 1 ? 1 + step : 1 - step;
  }
  return { ...value, data };
}

/** The graph with its weights rounded otherwise. */
export function perturbedGraph(graph: Graph, seed: number): Graph {
  const initializers = [...graph.initializers].map(([name, value], i) => [name, perturbed(value, seed + i)] as const);
  return { ...graph, initializers: new Map(initializers) };
}

/** The same of what it is fed with. */
export const perturbedFeeds = (feeds: Tensors, seed: number): Tensors =>
  Object.fromEntries(Object.entries(feeds).map(([name, value], i) => [name, perturbed(value, seed + i)]));
