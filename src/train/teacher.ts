/** A model that another learns from. */

import { workerOf, type Runtime, type Tensors } from "../runtime/port.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { mixInputs } from "../objective/mixup.ts";
import { threadsPerWorker } from "./data-parallel.ts";
import { allEnded, allOrNone } from "../execute/all-ended.ts";
import { executable } from "../execute/executable.ts";
import { teachingGraph } from "../objective/teaching.ts";
import type { LearnOptions, TaughtOptions } from "./options.ts";

export interface Teacher extends AsyncDisposable {
  /**
   * What it makes of a batch or of one of its parts, mixed as the one who learns sees it: by the names of the inputs of
   * an objective that learns from it.
   */
  answers(inputs: Tensors, worker?: number): Promise<Tensors>;
}

/** The teacher that options name; one that learns from mixtures has the same mixtures explained. */
export async function openTeacher(
  runtime: Runtime,
  options: TaughtOptions &
    Pick<LearnOptions, "loss" | "mixup" | "batchSize" | "workers" | "device" | "threads" | "signal">,
): Promise<Teacher | undefined> {
  const { teacher, loss, mixup, batchSize, workers = 1, device, threads, signal } = options;
  if (teacher === undefined) return undefined;
  const { graph, answers } = teachingGraph(teacher.graph, loss, teacher.features);
  const batch = batchSize / workers;
  const shown = executable(mixup === undefined ? graph : mixInputs(analyse(graph, { batch }), batch), device);
  const load = { device, signal, threads: threadsPerWorker(runtime, threads, workers) };
  const sessions = await allOrNone(
    Array.from({ length: workers }, (_, worker) => workerOf(runtime, worker).load(shown, load)),
  );
  return {
    answers: async (inputs, worker = 0) => answers(await sessions[worker]!.run(inputs)),
    async [Symbol.asyncDispose]() {
      await allEnded(sessions.map((session) => session.dispose()));
    },
  };
}
