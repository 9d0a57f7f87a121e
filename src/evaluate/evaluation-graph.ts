/** A graph whose outputs tell how good it is. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { namedInputs } from "../execute/feeds.ts";
import { removeDead } from "../passes/dead.ts";
import { widen } from "../passes/widen.ts";
import type { Batch } from "../data/batches.ts";
import type { Tensors } from "../runtime/port.ts";
import type { Loss } from "../options/loss.ts";
import type { MetricBatch } from "../options/metric.ts";
import { fileTermsOf, type FileTerm } from "../objective/loss-file.ts";
import { termsOf, type Term } from "../objective/terms.ts";

export interface EvaluationGraph {
  readonly graph: Graph;
  /** What is measured. */
  readonly terms: readonly Term[];
  readonly files: readonly FileTerm[];
  /** The names of the model's outputs, in their order. */
  readonly outputs: readonly string[];
  /** The value that the first loss looks at: logits, or numbers. */
  logits(results: Tensors): Tensor;
  /** What a metric is shown of a minibatch. */
  shown(results: Tensors, batch: Batch, original?: Tensors): MetricBatch;
}

/** What is looked at besides the loss. */
export interface Besides {
  /** Whether all outputs are, as for a metric. */
  readonly all?: boolean;
  /** Another loss, by which a model is compared with another. */
  readonly distance?: Loss | undefined;
}

/**
 * The graph for a loss, with all outputs of the model where a metric or several losses look at them.
 *
 * @throws SecateurError `bad-model` for a model without outputs
 */
export function evaluationGraph(graph: Graph, loss: Loss, { all = false, distance }: Besides = {}): EvaluationGraph {
  const wide = widen(graph);
  const [first] = wide.outputs;
  if (!first) fail("bad-model", "the model has no output");
  const terms = termsOf(wide, loss);
  const compared = distance === undefined ? terms : termsOf(wide, distance);
  const known = new Map(wide.outputs.map((output) => [output.name, output]));
  const values = [...new Set([...terms, ...compared].map(({ value }) => value))];
  const looked = values.map((name) => known.get(name) ?? ({ name, dtype: "float32" } as const));
  const files = fileTermsOf(loss);
  const isAll = all || files.length > 0 || !isClassifier(terms) || !isClassifier(compared);
  const outputs = isAll ? [...new Set([...wide.outputs, ...looked])] : looked;
  const named = (results: Tensors): Tensors =>
    Object.fromEntries(wide.outputs.map(({ name }) => [name, results[name]!]));
  return {
    graph: removeDead({ ...wide, outputs }),
    terms,
    files,
    outputs: wide.outputs.map(({ name }) => name),
    logits: (results) => results[values[0] ?? first.name]!,
    shown: (results, batch, original) => ({
      outputs: named(results),
      output: results[first.name]!,
      inputs: namedInputs(wide, batch),
      target: batch.target,
      targets: batch.targets,
      size: batch.size,
      ...(original && { original }),
    }),
  };
}

/** Whether all that is measured is one class for each sample, or for each place. */
export const isClassifier = (terms: readonly Term[]): boolean =>
  terms.length === 1 &&
  terms[0]!.loss.name === "cross-entropy" &&
  Object.keys(terms[0]!.settings).every((key) => key === "axis");
