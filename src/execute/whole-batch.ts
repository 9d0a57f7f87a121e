/** Minibatches for graphs that take just so many samples. */

import type { Batch } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import { take, type Tensor } from "../graph/tensor.ts";
import { fixedBatch } from "../passes/open-batch.ts";
import type { Session, Tensors } from "../runtime/port.ts";
import { feedsOf } from "./feeds.ts";

/**
 * Runs a minibatch; one that is too short for a graph with a fixed batch is filled up with its
 * last sample, of which nothing is seen.
 */
export async function runBatch(session: Session, graph: Graph, batch: Batch): Promise<Tensors> {
  const whole = fixedBatch(graph);
  if (whole === undefined || batch.size >= whole) return session.run(feedsOf(graph, batch));
  const rows = Array.from({ length: whole }, (_, i) => Math.min(i, batch.size - 1));
  const inputs = mapped(batch.inputs, (value) => take(value, 0, rows));
  const own = rows.slice(0, batch.size);
  return mapped(await session.run(feedsOf(graph, { ...batch, inputs })), (value) =>
    value.shape[0] === whole ? take(value, 0, own) : value,
  );
}

const mapped = (tensors: Tensors, map: (value: Tensor) => Tensor): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, map(value)]));
