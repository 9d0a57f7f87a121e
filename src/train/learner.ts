/** The trainer that suits the options of those who have a model learn: on one machine, or spread over several. */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Runtime } from "../runtime/port.ts";
import { openLocalSgd } from "./local-sgd.ts";
import type { LearnOptions, TaughtOptions } from "./options.ts";
import type { StepOptions } from "./step.ts";
import { openTrainer, type Trainer } from "./trainer.ts";

/**
 * Opens a trainer.
 *
 * @param graph the model with an open batch
 * @param optimiserState as {@link openTrainer} takes it
 */
export async function openLearner(
  runtime: Runtime,
  graph: Graph,
  step: StepOptions,
  { spread, teacher }: Pick<LearnOptions, "spread"> & TaughtOptions,
  optimiserState: ReadonlyMap<string, Tensor> = new Map(),
): Promise<Trainer> {
  if (spread === undefined) return openTrainer(runtime, graph, step, optimiserState);
  return openLocalSgd(graph, step, { ...spread, teacher }, optimiserState);
}
