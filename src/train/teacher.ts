/** A model that another learns from. */

import type { Tensor } from "../graph/tensor.ts";
import { workerOf, type Runtime, type Tensors } from "../runtime/port.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { mixInputs } from "../objective/mixup.ts";
import { threadsPerWorker } from "./data-parallel.ts";
import { allEnded, allOrNone } from "../execute/all-ended.ts";
import { executable } from "../execute/executable.ts";
import { evaluationGraph } from "../evaluate/evaluation-graph.ts";
import type { LearnOptions, TaughtOptions } from "./options.ts";

export interface Teacher extends AsyncDisposable {
  /** The logits [N, C] of a batch or of one of its parts, mixed as the one who learns sees it. */
  logits(inputs: Tensors, worker?: number): Promise<Tensor>;
}

/** The teacher that options name; one that learns from mixtures has the same mixtures explained. */
export async function openTeacher(
  runtime: Runtime,
  options: TaughtOptions & Pick<LearnOptions, "mixup" | "batchSize" | "workers" | "device" | "threads" | "signal">,
): Promise<Teacher | undefined> {
  const { teacher, mixup, batchSize, workers = 1, device, threads, signal } = options;
  if (teacher === undefined) return undefined;
  const evaluation = evaluationGraph(teacher.graph, "cross-entropy");
  const { graph } = evaluation;
  const batch = batchSize / workers;
  const shown = executable(mixup === undefined ? graph : mixInputs(analyse(graph, { batch }), batch), device);
  const load = { device, signal, threads: threadsPerWorker(runtime, threads, workers) };
  const sessions = await allOrNone(
    Array.from({ length: workers }, (_, worker) => workerOf(runtime, worker).load(shown, load)),
  );
  return {
    logits: async (inputs, worker = 0) => evaluation.logits(await sessions[worker]!.run(inputs)),
    async [Symbol.asyncDispose]() {
      await allEnded(sessions.map((session) => session.dispose()));
    },
  };
}
