/** Which initializers are integers that stand for numbers, and which say for what numbers. */

import { producersOf, type Graph } from "../graph/graph.ts";
import { isFloat, type Tensor } from "../graph/tensor.ts";
import { integersOf } from "../ops/refused.ts";
import { findOp } from "../ops/table.ts";
import { applicationOf, type Traced } from "./trace.ts";

export interface Quantised {
  /** Integers in the place of weights and biases. */
  readonly weights: ReadonlySet<string>;
  /** Scales and zero points: they are chosen for the numbers and never learn. */
  readonly settings: ReadonlySet<string>;
}

/** What is quantised in a graph, behind operators that only move or cast it too. */
export function quantisedOf(graph: Graph): Quantised {
  const producers = producersOf(graph);
  const sources = (name: string): string[] => {
    if (graph.initializers.has(name)) return [name];
    const node = producers.get(name);
    return node && findOp(node.op, node.domain)?.carries ? sources(node.inputs[0] ?? "") : [];
  };
  const [weights, settings] = [new Set<string>(), new Set<string>()];
  for (const { op, domain, inputs } of graph.nodes) {
    const { quantisedBy: by, dequantised } = findOp(op, domain) ?? {};
    const places = by ? { weights: dequantised ? [0] : [], by } : integersOf(op, domain);
    for (const i of places?.by ?? []) for (const name of sources(inputs[i] ?? "")) settings.add(name);
    for (const i of places?.weights ?? [])
      for (const name of sources(inputs[i] ?? "")) if (!isFloat(graph.initializers.get(name)!.dtype)) weights.add(name);
  }
  return { weights, settings };
}

/**
 * For each initializer of integers the numbers that it stands for, in its own shape; those
 * that are read in two ways are left out.
 */
export function numbersOf(traced: Traced): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  const twice = new Set<string>();
  for (const node of traced.graph.nodes) {
    const rule = findOp(node.op, node.domain)?.dequantised;
    const [name = ""] = node.inputs;
    if (rule === undefined || !traced.graph.initializers.has(name)) continue;
    const applied = applicationOf(traced, node);
    const numbers = applied && rule(applied.inputs, applied.attributes);
    if (found.has(name)) twice.add(name);
    if (numbers) found.set(name, numbers);
  }
  for (const name of twice) found.delete(name);
  return found;
}
