/** Models as jobs work on them: open where they can be, else with minibatches of the size that they are fixed to. */

import type { Dataset } from "../data/batches.ts";
import type { Graph, Model } from "../graph/graph.ts";
import type { Runtime } from "../runtime/port.ts";
import { prepareOn } from "../execute/prepare.ts";
import type { RunOptions } from "../options/machine.ts";

/** What a job works on. */
export interface OpenedModel {
  readonly graph: Graph;
  /** The samples of a minibatch. */
  readonly batchSize: number;
  /** Whether it takes no others. */
  readonly isFixed: boolean;
}

/** Opens a model, and tells where its own batch size has to be taken. */
export async function openModel(
  runtime: Runtime,
  model: Model,
  options: RunOptions & { readonly batchSize: number },
): Promise<OpenedModel> {
  const { graph, fixed } = await prepareOn(runtime, model, options);
  if (fixed) options.onFixedBatch?.(fixed.batch, fixed.why);
  return { graph, batchSize: fixed?.batch ?? options.batchSize, isFixed: fixed !== undefined };
}

/** The samples of a minibatch to learn from: no more than there are. */
export function batchOf({ batchSize, isFixed }: OpenedModel, data: Dataset, onNote?: (text: string) => void): number {
  const { size } = data;
  if (isFixed || size === undefined || size === 0 || size >= batchSize) return batchSize;
  onNote?.(`the data has ${size} samples to learn from: minibatches are of ${size}, not of ${batchSize}`);
  return size;
}
