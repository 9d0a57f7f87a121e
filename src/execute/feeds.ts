/** From a batch of data to the inputs of a model. */

import { fail, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Shape, Tensor } from "../graph/tensor.ts";
import { sameShape } from "../ops/emitter.ts";
import type { Batch } from "../data/batches.ts";
import { checkLabels } from "../data/checks.ts";

/**
 * The tensors of a batch by the names of the model's inputs; a single unnamed input goes to the only input there is.
 */
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

/**
 * The target of a batch for a graph with a loss, checked; `undefined` where the loss takes none.
 *
 * @param classes the number of classes that a label may name; 0 where the target is no label
 */
export function targetFeed(graph: Pick<Graph, "inputs">, batch: Batch, classes: number): Tensor | undefined {
  const wanted = graph.inputs.find(({ name }) => name === "target");
  if (wanted === undefined) return undefined;
  const target = requireTarget(batch);
  if (classes > 0) checkLabels(batch, classes);
  checkTarget(target, { dtype: wanted.dtype, shape: wanted.shape as Shape });
  return target;
}

/** @throws SecateurError `bad-data` for a batch without labels */
export function requireTarget({ target }: Batch): Tensor {
  return (
    target ??
    fail(
      "bad-data",
      `the data has no labels, and the loss takes them; without labels use ${option("targets", "sampled")} or ` +
        `${option("targets", "teacher")}`,
    )
  );
}

/**
 * Fails where a target has not the type and shape that the loss wants, as it has when data and loss do not go together.
 */
export function checkTarget({ dtype, shape }: Tensor, wanted: Pick<Tensor, "dtype" | "shape">): void {
  if (dtype === wanted.dtype && sameShape(shape, wanted.shape)) return;
  const form = (type: Pick<Tensor, "dtype" | "shape">): string => `${type.dtype} [${type.shape.join(", ")}]`;
  fail(
    "bad-data",
    `the target in the data is ${form({ dtype, shape })}; the loss takes ${form(wanted)}: class ids with ` +
      "cross-entropy, values in the shape of the output with mse",
  );
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
