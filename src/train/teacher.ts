/** A model that another learns from. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { removeDead } from "../passes/dead.ts";
import { logitsOf } from "../passes/strip-softmax.ts";
import { widen } from "../passes/widen.ts";
import type { LoadOptions, Runtime, Tensors } from "../runtime/port.ts";
import { runnable } from "./runnable.ts";

/** The graph cut down to its logits, as the only output. */
export function logitsGraph(graph: Graph): Graph {
  const wide = widen(graph);
  const output = wide.outputs[0] ?? fail("bad-model", "the model has no output");
  const name = logitsOf(wide, output.name);
  return removeDead({ ...wide, outputs: [name === output.name ? output : { name, dtype: "float32" }] });
}

export interface Teacher {
  /** The logits [N, C] of a batch. */
  logits(inputs: Tensors): Promise<Tensor>;
  dispose(): Promise<void>;
}

export async function createTeacher(runtime: Runtime, graph: Graph, options: LoadOptions): Promise<Teacher> {
  const scored = logitsGraph(graph);
  const session = await runtime.load(runnable(scored, options.device), options);
  return {
    logits: async (inputs) => (await session.run(inputs))[scored.outputs[0]!.name]!,
    dispose: () => session.dispose(),
  };
}
