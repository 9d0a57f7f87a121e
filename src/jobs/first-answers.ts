/** What a model makes of the first minibatch of the data, before anything is learned. */

import type { Batch, Dataset } from "../data/batches.ts";
import { executable } from "../execute/executable.ts";
import { runBatch } from "../execute/whole-batch.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Targets } from "../options/learning.ts";
import type { Loss } from "../options/loss.ts";
import type { MachineOptions, Runtime, Tensors } from "../runtime/port.ts";

/** What a job was told of its objective. */
export interface Asked extends MachineOptions {
  readonly loss?: Loss | "auto" | undefined;
  readonly targets?: Targets | "teacher" | undefined;
  readonly data?: Dataset | undefined;
  readonly batchSize: number;
  readonly seed?: number | undefined;
  /** That probabilities of classes are compared at; default 1. */
  readonly temperature?: number | undefined;
  readonly onNote?: ((text: string) => void) | undefined;
}

/** @throws SecateurError `bad-data` for data without samples */
export async function firstAnswers(
  runtime: Runtime,
  graph: Graph,
  data: Dataset,
  { batchSize, seed = 0, device, threads, signal }: Asked,
): Promise<{ readonly batch: Batch; readonly answers: Tensors }> {
  const machine = { device, threads, signal };
  await using session = await runtime.load(executable(graph, device), machine);
  for await (const batch of data.batches({
    batchSize,
    shuffle: true,
    seed,
    limit: 1,
    dropLast: data.size === undefined || data.size >= batchSize,
  }))
    return { batch, answers: await runBatch(session, graph, batch) };
  return fail("bad-data", `"${data.name}" has no samples`);
}
