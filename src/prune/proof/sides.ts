/** Running the two sides of a proof. */

import { SecateurError } from "../../graph/error.ts";
import type { Graph, Model } from "../../graph/graph.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { encodeForRuntime } from "../../onnx/encode.ts";
import type { LoadOptions, Runtime, Tensors } from "../../runtime/port.ts";
import { upTo, withGiven } from "./stretches.ts";

/** What runs graphs of one model. */
export interface Sides {
  /**
   * Runs what certain values need of a graph, in one session.
   *
   * @param given for each of the feeds what stands in for nodes that the graph lacks
   * @returns the values of each run
   */
  run(
    graph: Graph,
    feeds: readonly Tensors[],
    names: readonly string[],
    given?: readonly Tensors[],
  ): Promise<Record<string, Tensor>[]>;
  /** The same without the runtime's optimiser. */
  readonly plain: Sides;
  /** Loads and runs a graph as it is, with what it declares. */
  runWhole(graph: Graph, feeds: readonly Tensors[], optimise?: boolean): Promise<void>;
}

/** What a runtime does not load, or does not run to its end. */
export const isRefusal = (error: unknown): error is SecateurError =>
  error instanceof SecateurError && error.code === "bad-model";

/** Sides on a runtime; `ready` is what is done to a graph for a device. */
export function createSides(
  runtime: Runtime,
  model: Model,
  options: LoadOptions,
  ready: (graph: Graph) => Graph,
): Sides {
  const attempt = async (graph: Graph, names: readonly string[], feeds: readonly Tensors[], optimise: boolean) => {
    const bytes = encodeForRuntime({ ...model, graph: ready(graph) }, names);
    const session = await runtime.load(bytes, { ...options, optimise });
    try {
      const results: Record<string, Tensor>[] = [];
      for (const each of feeds) results.push(await session.run(each));
      return results;
    } finally {
      await session.dispose();
    }
  };
  const { optimise: wanted = true } = options;
  return {
    get plain() {
      return createSides(runtime, model, { ...options, optimise: false }, ready);
    },
    async run(graph, feeds, names, given = feeds.map(() => ({}))) {
      const one = upTo(withGiven(graph, given[0]!), names);
      const all = feeds.map((each, i) => ({ ...each, ...given[i] }));
      try {
        return await attempt(one, names, all, wanted);
      } catch (error) {
        // The runtime's optimiser refuses, or breaks, some parts of graphs that the runtime itself runs.
        if (!wanted || !isRefusal(error)) throw error;
        return attempt(one, names, all, false).catch(() => {
          throw error;
        });
      }
    },
    runWhole: async (graph, feeds, optimise = wanted) => void (await attempt(graph, [], feeds, optimise)),
  };
}
