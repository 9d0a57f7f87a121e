/** A model that another learns from, as a graph. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { removeDead } from "../passes/dead.ts";
import { widen } from "../passes/widen.ts";
import type { Tensors } from "../runtime/port.ts";
import type { Loss } from "../options/loss.ts";
import { featureInput, type Feature } from "./features.ts";
import { inputNameOf, termsOf } from "./terms.ts";

export interface TeachingGraph {
  /** Puts out what the losses look at: outputs, or what stands before their Softmax or Sigmoid. */
  readonly graph: Graph;
  /** What one run gave, by the names of the inputs of an objective with a teacher. */
  answers(results: Tensors): Tensors;
}

/**
 * @param graph the model with an open batch
 * @param features values inside that are put out besides
 * @throws SecateurError `bad-option` where no loss looks at an output
 */
export function teachingGraph(graph: Graph, loss: Loss, features: readonly Feature[] = []): TeachingGraph {
  const wide = widen(graph);
  const terms = termsOf(wide, loss);
  if (terms.length === 0)
    fail(
      "bad-option",
      "a loss of a file does not say how far outputs are from those of another model: put a loss on these outputs " +
        "beside it, or in its place",
    );
  const values = [
    ...terms.map(({ output, value }) => [inputNameOf("teacher", terms.length === 1 ? "" : output), value] as const),
    ...features.map(({ value }) => [featureInput(value), value] as const),
  ];
  return {
    graph: withOutputs(
      wide,
      values.map(([, value]) => value),
    ),
    answers: (results) => Object.fromEntries(values.map(([input, value]) => [input, results[value]!])),
  };
}

/** The graph with these values for its outputs. */
export function withOutputs(graph: Graph, names: readonly string[]): Graph {
  const known = new Map(graph.outputs.map((output) => [output.name, output]));
  const outputs = [...new Set(names)].map((name) => known.get(name) ?? ({ name, dtype: "float32" } as const));
  return removeDead({ ...graph, outputs });
}
