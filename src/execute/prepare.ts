/** From a model as its file has it to a graph that can be scored, pruned and trained, and back. */

import type { Dataset } from "../data/batches.ts";
import type { Graph, Model } from "../graph/graph.ts";
import type { Shape } from "../graph/tensor.ts";
import { firstSizes } from "../passes/choose-sizes.ts";
import { openAxes } from "../passes/dims.ts";
import { normalise, type NormaliseOptions } from "../passes/normalise.ts";
import { closeBatch, openBatch } from "../passes/open-batch.ts";
import { restoreForm } from "../passes/restore.ts";
import type { MachineOptions, Runtime } from "../runtime/port.ts";
import { openGraph, type Opened } from "./opened.ts";

/**
 * The graph of a model with sizes for tracing and its batch open. Where the file fixes the batch, this is the likeliest
 * way to open it, which nobody has tried: {@link prepareOn} does.
 *
 * @throws SecateurError where sizes are missing, or the model fixes its batch in a way that cannot be undone
 */
export function prepare(model: Model, options: NormaliseOptions = {}): Graph {
  return openBatch(normalise(model.graph, options));
}

/**
 * The options with the shapes of a data set's first batch, where the file leaves more open than the batch and they are
 * not given. What is learned and measured then has the sizes of the data.
 */
export async function withDataSizes<O extends NormaliseOptions>(
  { graph }: Model,
  options: O,
  data: Dataset | undefined,
  batchSize: number,
): Promise<O> {
  const isOpen = openAxes(graph).some(({ axis }) => axis > 0);
  if (data === undefined || options.shapes !== undefined || !isOpen) return options;
  for await (const { inputs } of data.batches({ batchSize, limit: 1 })) {
    const shapes = graph.inputs.flatMap(({ name, shape }): [string, Shape][] => {
      const found = (inputs[name] ?? (graph.inputs.length === 1 ? inputs[""] : undefined))?.shape;
      // What does not fit is refused with the batch.
      const fits =
        found?.length === shape?.length &&
        shape?.every((dim, i) => i === 0 || typeof dim === "string" || dim === found![i]);
      return fits ? [[name, found!]] : [];
    });
    return { ...options, shapes: Object.fromEntries(shapes) };
  }
  return options;
}

/** The options with the sizes that a model is traced at, so that another is looked at with the same. */
export function withSizesOf<O extends NormaliseOptions>({ graph }: Model, options: O): O {
  const isOpen = openAxes(graph).some(({ axis }) => axis > 0);
  if (!isOpen || options.shapes !== undefined) return options;
  const { types } = firstSizes(graph, {}).base;
  return { ...options, shapes: Object.fromEntries(graph.inputs.map(({ name }) => [name, types.get(name)!.shape])) };
}

/**
 * The graph of a model with sizes for tracing, and its batch open where that can be shown to change nothing
 * for any sample, by running it. Else the graph stays at the batch of the file, and all that is done with it
 * has to take minibatches of just that size.
 *
 * @throws SecateurError where sizes are missing
 */
export function prepareOn(
  runtime: Runtime,
  model: Model,
  options: NormaliseOptions & MachineOptions = {},
): Promise<Opened> {
  const { device, threads, signal } = options;
  return openGraph(runtime, normalise(model.graph, options), { device, threads, signal });
}

/**
 * The model with what has become of its graph: the element types, inputs and outputs of the
 * file, and its batch where it fixes one.
 */
export function withGraph(model: Model, graph: Graph): Model {
  const { positions: _, ...own } = graph;
  return { ...model, graph: restoreForm(closeBatch(own, model.graph), model.graph) };
}
