/** A graph whose outputs tell how good it is. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { removeDead } from "../passes/dead.ts";
import { logitsOf } from "../passes/strip-softmax.ts";
import { widen } from "../passes/widen.ts";
import type { Batch } from "../data/batches.ts";
import type { Tensors } from "../runtime/port.ts";
import type { Loss } from "../options/learning.ts";
import type { Metric, MetricBatch, MetricName } from "../options/metric.ts";

export interface EvaluationGraph {
  readonly graph: Graph;
  /** The output that the loss looks at: logits, or values. */
  logits(results: Tensors): Tensor;
  /** What a metric is shown of a minibatch. */
  shown(results: Tensors, batch: Batch): MetricBatch;
}

/**
 * The graph for a loss, with all outputs of the model where a metric looks at them.
 *
 * @throws SecateurError `bad-model` for a model without outputs
 */
export function evaluationGraph(graph: Graph, loss: Loss, metric?: Metric | MetricName): EvaluationGraph {
  const wide = widen(graph);
  const [first] = wide.outputs;
  if (!first) fail("bad-model", "the model has no output");
  const name = loss === "cross-entropy" ? logitsOf(wide, first.name) : first.name;
  const logits = name === first.name ? first : ({ name, dtype: "float32" } as const);
  const all = loss === "mse" || typeof metric === "object";
  const outputs = all ? [...wide.outputs, ...(name === first.name ? [] : [logits])] : [logits];
  return {
    graph: loss === "mse" ? wide : removeDead({ ...wide, outputs }),
    logits: (results) => results[name]!,
    shown: (results, { target, size }) => ({
      outputs: Object.fromEntries(wide.outputs.map((output) => [output.name, results[output.name]!])),
      output: results[first.name]!,
      target,
      size,
    }),
  };
}
