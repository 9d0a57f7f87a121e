/** From a model as its file has it to a graph that can be scored, pruned and trained, and back. */

import type { Graph, Model } from "../graph/graph.ts";
import { normalise, type NormaliseOptions } from "../passes/normalise.ts";
import { openBatch } from "../passes/open-batch.ts";
import { restoreForm } from "../passes/restore.ts";

/**
 * The graph of a model with its sizes settled and its batch open.
 *
 * @throws SecateurError where sizes are missing, or the model fixes its batch in a way that cannot be undone
 */
export function prepare(model: Model, options: NormaliseOptions = {}): Graph {
  return openBatch(normalise(model.graph, options));
}

/** The model with what has become of its graph: the element types, inputs and outputs of the file. */
export function withGraph(model: Model, graph: Graph): Model {
  return { ...model, graph: restoreForm(graph, model.graph) };
}
