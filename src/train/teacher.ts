/** A model that another learns from. */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { laneOf, type Runtime, type Tensors } from "../runtime/port.ts";
import type { LearnOptions } from "./finetune.ts";
import type { Distillation } from "../objective/losses.ts";
import { mixInputs } from "../objective/mixup.ts";
import { threadsOfPart } from "./data-parallel.ts";
import { allOrNone, runnable } from "../execute/executable.ts";
import { scoredGraph } from "../evaluate/evaluation-graph.ts";

export interface TaughtOptions {
  /** A model to learn from besides the labels: its graph with an open batch. */
  readonly teacher?: (Distillation & { readonly graph: Graph }) | undefined;
}

export interface Teacher {
  /** The logits [N, C] of a batch or of one of its parts, mixed as the one who learns sees it. */
  logits(inputs: Tensors, part?: number): Promise<Tensor>;
  dispose(): Promise<void>;
}

/** The teacher that options name; one that learns from mixtures has the same mixtures explained. */
export async function openTeacher(
  runtime: Runtime,
  options: TaughtOptions & Pick<LearnOptions, "mixup" | "batchSize" | "workers" | "device" | "threads" | "signal">,
): Promise<Teacher | undefined> {
  const { teacher, mixup, batchSize, workers = 1, device, threads, signal } = options;
  if (teacher === undefined) return undefined;
  const scored = scoredGraph(teacher.graph, "cross-entropy");
  const { graph } = scored;
  const shown = runnable(mixup === undefined ? graph : mixInputs(graph, batchSize / workers), device);
  const load = { device, signal, threads: threadsOfPart(runtime, threads, workers) };
  const sessions = await allOrNone(
    Array.from({ length: workers }, (_, part) => laneOf(runtime, part).load(shown, load)),
  );
  return {
    logits: async (inputs, part = 0) => scored.scores(await sessions[part]!.run(inputs)),
    async dispose() {
      for (const session of sessions) await session.dispose();
    },
  };
}
