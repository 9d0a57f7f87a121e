/** A model that another learns from. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { removeDead } from "../passes/dead.ts";
import { logitsOf } from "../passes/strip-softmax.ts";
import { widen } from "../passes/widen.ts";
import { laneOf, type Runtime, type Tensors } from "../runtime/port.ts";
import type { LearnOptions } from "./finetune.ts";
import type { Distillation } from "./losses.ts";
import { mixInputs } from "./mixup.ts";
import { runnable } from "./runnable.ts";

/** The graph cut down to its logits, as the only output. */
export function logitsGraph(graph: Graph): Graph {
  const wide = widen(graph);
  const output = wide.outputs[0] ?? fail("bad-model", "the model has no output");
  const name = logitsOf(wide, output.name);
  return removeDead({ ...wide, outputs: [name === output.name ? output : { name, dtype: "float32" }] });
}

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
  options: TaughtOptions & Pick<LearnOptions, "mixup" | "batchSize" | "workers" | "threads" | "signal">,
): Promise<Teacher | undefined> {
  const { teacher, mixup, batchSize, workers = 1, threads, signal } = options;
  if (teacher === undefined) return undefined;
  const scored = logitsGraph(teacher.graph);
  const shown = runnable(mixup === undefined ? scored : mixInputs(scored, batchSize / workers));
  const load = { signal, threads: workers === 1 ? threads : 1 };
  const sessions = await Promise.all(
    Array.from({ length: workers }, (_, part) => laneOf(runtime, part).load(shown, load)),
  );
  return {
    logits: async (inputs, part = 0) => (await sessions[part]!.run(inputs))[scored.outputs[0]!.name]!,
    async dispose() {
      for (const session of sessions) await session.dispose();
    },
  };
}
