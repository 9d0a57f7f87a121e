/** From a batch of data to the inputs of a model. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Batch } from "../data/batches.ts";

/** The tensors of a batch by the names of the model's inputs; a single unnamed input goes to the only input there is. */
export function feedsOf(graph: Pick<Graph, "inputs">, batch: Batch): Record<string, Tensor> {
  const only = batch.inputs[""];
  if (only !== undefined && graph.inputs.length === 1)
    return { [graph.inputs[0]!.name]: check(graph, graph.inputs[0]!.name, only) };
  const missing = graph.inputs.filter(({ name }) => batch.inputs[name] === undefined);
  if (missing.length > 0)
    fail(
      "bad-data",
      `the data has no ${missing.map(({ name }) => `"${name}"`).join(", ")}; it has ${
        Object.keys(batch.inputs)
          .map((name) => `"${name}"`)
          .join(", ") || "nothing"
      }`,
    );
  return Object.fromEntries(graph.inputs.map(({ name }) => [name, check(graph, name, batch.inputs[name]!)]));
}

function check(graph: Pick<Graph, "inputs">, name: string, tensor: Tensor): Tensor {
  const declared = graph.inputs.find((input) => input.name === name)!;
  const fits =
    declared.shape === undefined ||
    (declared.shape.length === tensor.shape.length &&
      declared.shape.every((dim, i) => typeof dim === "string" || dim === tensor.shape[i]));
  if (!fits)
    fail("bad-data", `input "${name}" is [${declared.shape!.join(", ")}]; the data has [${tensor.shape.join(", ")}]`);
  if (tensor.dtype !== declared.dtype)
    fail("bad-data", `input "${name}" is ${declared.dtype}; the data has ${tensor.dtype}`);
  return tensor;
}
