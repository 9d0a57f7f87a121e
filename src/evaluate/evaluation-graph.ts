/** A graph whose outputs tell how good it is. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { removeDead } from "../passes/dead.ts";
import { widen } from "../passes/widen.ts";
import type { Batch } from "../data/batches.ts";
import type { Tensors } from "../runtime/port.ts";
import type { Loss } from "../options/loss.ts";
import type { Metric, MetricBatch, MetricName } from "../options/metric.ts";
import { fileTermsOf, type FileTerm } from "../objective/loss-file.ts";
import { termsOf, type Term } from "../objective/terms.ts";

export interface EvaluationGraph {
  readonly graph: Graph;
  /** What is measured. */
  readonly terms: readonly Term[];
  readonly files: readonly FileTerm[];
  /** The value that the first loss looks at: logits, or numbers. */
  logits(results: Tensors): Tensor;
  /** What a metric is shown of a minibatch. */
  shown(results: Tensors, batch: Batch): MetricBatch;
}

/**
 * The graph for a loss, with all outputs of the model where a metric or several losses look at them.
 *
 * @throws SecateurError `bad-model` for a model without outputs
 */
export function evaluationGraph(graph: Graph, loss: Loss, metric?: Metric | MetricName): EvaluationGraph {
  const wide = widen(graph);
  const [first] = wide.outputs;
  if (!first) fail("bad-model", "the model has no output");
  const terms = termsOf(wide, loss);
  const known = new Map(wide.outputs.map((output) => [output.name, output]));
  const values = [...new Set(terms.map(({ value }) => value))];
  const looked = values.map((name) => known.get(name) ?? ({ name, dtype: "float32" } as const));
  const files = fileTermsOf(loss);
  const all = files.length > 0 || !isClassifier(terms) || typeof metric === "object";
  const outputs = all ? [...new Set([...wide.outputs, ...looked])] : looked;
  return {
    graph: removeDead({ ...wide, outputs }),
    terms,
    files,
    logits: (results) => results[values[0] ?? first.name]!,
    shown: (results, { target, targets, size }) => ({
      outputs: Object.fromEntries(wide.outputs.map((output) => [output.name, results[output.name]!])),
      output: results[first.name]!,
      target,
      targets,
      size,
    }),
  };
}

/** Whether all that is measured is one class for each sample, or for each place. */
export const isClassifier = (terms: readonly Term[]): boolean =>
  terms.length === 1 &&
  terms[0]!.loss.name === "cross-entropy" &&
  Object.keys(terms[0]!.settings).every((key) => key === "axis");
