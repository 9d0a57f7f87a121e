/** What runs the steps of a training. */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Runtime, Tensors } from "../runtime/port.ts";
import { fitStep, type Sharing } from "./activation-checkpointing.ts";
import { loadable } from "../execute/executable.ts";
import { packedStart, unpackedAll } from "./packed-parameters.ts";
import { nextOf, stepGraph, type StepGraph, type StepOptions } from "./step.ts";

/** What runs a step: as one graph, or split over workers. */
export interface Engine {
  readonly workers: number;
  /**
   * @param feeds what each worker takes of the minibatch
   * @param clock learning rate and what follows from the number of the step
   * @returns loss and evidence
   */
  run(feeds: readonly Tensors[], clock: Tensors): Promise<Tensors>;
  /**
   * Weights, statistics and optimiser state as they are now.
   *
   * @param last whether no step follows, which spares copies
   */
  carried(last?: boolean): Promise<Tensors>;
  dispose(): Promise<void>;
}

/** A step with what runs it. */
export interface Opened {
  readonly step: StepGraph;
  readonly engine: Engine;
}

/** What runs beside a step that is one graph: nothing. */
export const sharingOf = ({ carried }: StepGraph): Sharing => ({
  workers: 1,
  carried,
  elsewhere: new Set([...carried.keys()].map(nextOf)),
});

/** Opens a step that is one graph. */
export async function openSingle(
  runtime: Runtime,
  graph: Graph,
  options: StepOptions,
  optimiserState: ReadonlyMap<string, Tensor>,
): Promise<Opened> {
  const inRows = runtime.keepsOnDevice === true && options.device === "webgpu";
  const kept = stepGraph(graph, { ...options, inRows });
  const { step, repeated } = fitStep(kept, sharingOf(kept), options);
  const carried = [...step.carried].map(([name, start]) => ({
    input: name,
    output: nextOf(name),
    start: step.rows ? packedStart(step.rows, name, start, optimiserState) : (optimiserState.get(name) ?? start),
  }));
  const { model, optimise } = loadable(step, options.device);
  // The optimiser would make one of what is computed twice.
  const session = await runtime.load(model, { ...options, optimise: optimise && !repeated, carried });
  const engine: Engine = {
    workers: 1,
    run: ([feeds], clock) => session.run({ ...feeds, ...clock }),
    async carried(last) {
      const held = await session.carried(last);
      return step.rows ? unpackedAll(step.rows, held) : held;
    },
    dispose: () => session.dispose(),
  };
  return { step, engine };
}
