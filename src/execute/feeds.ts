/** From a batch of data to the inputs of a model. */

import { fail, option } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import type { Shape, Tensor } from "../graph/tensor.ts";
import { sameShape } from "../ops/emitter.ts";
import type { Batch } from "../data/batches.ts";
import { checkLabels } from "../data/checks.ts";
import type { ObjectiveInputs, TargetInput } from "../objective/objective.ts";

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

/** The inputs of a batch by the names that the model has for them. */
export function namedInputs({ inputs }: Pick<Graph, "inputs">, batch: Batch): Readonly<Record<string, Tensor>> {
  const only = batch.inputs[""];
  return only !== undefined && inputs.length === 1 ? { [inputs[0]!.name]: only } : batch.inputs;
}

/**
 * The targets of a batch for the inputs of a graph with an objective, checked.
 *
 * @param inputs of the graph, as they are for the whole batch
 */
export function targetFeeds(
  inputs: readonly ValueInfo[],
  { targets }: Pick<ObjectiveInputs, "targets">,
  batch: Batch,
): Record<string, Tensor> {
  const feeds = targets.map((wanted) => {
    const { input, classes, ignore, never } = wanted;
    const { dtype, shape } = inputs.find(({ name }) => name === input)!;
    const target = filledUp(targetOf(batch, wanted), (shape as Shape).at(-1)!, wanted);
    if (classes > 0) checkLabels(target, classes, { ignore, never });
    checkTarget(target, { dtype, shape: shape as Shape }, input);
    return [input, target] as const;
  });
  return Object.fromEntries(feeds);
}

/** Whether a batch has anything to compare with. */
export const hasTarget = ({ target, targets = {} }: Batch): boolean =>
  target !== undefined || Object.keys(targets).length > 0;

/** The target of a batch that a loss looks at. */
function targetOf(batch: Batch, { name }: Pick<TargetInput, "name">): Tensor {
  if (name === "") return requireTarget(batch);
  const { target, targets = {} } = batch;
  return (
    targets[name] ??
    fail(
      "bad-data",
      `a loss takes the target "${name}"; the data has ${
        Object.keys(targets)
          .map((one) => `"${one}"`)
          .join(", ") || (target ? "one target without a name" : "no targets")
      }`,
    )
  );
}

/** The target with rows of a given length, where it may be filled up. */
function filledUp(target: Tensor, length: number, { padding }: Pick<TargetInput, "padding">): Tensor {
  const own = target.shape.at(-1);
  if (padding === undefined || own === undefined || target.dtype !== "int64") return target;
  const nothing = BigInt(padding);
  const source = target.data as BigInt64Array;
  const data = new BigInt64Array((source.length / own) * length).fill(nothing);
  for (let row = 0; row * own < source.length; row++) {
    const labels = source.subarray(row * own, (row + 1) * own);
    const used = labels.findLastIndex((label) => label !== nothing) + 1;
    if (labels.subarray(0, used).includes(nothing))
      fail("bad-data", `sample ${row} has ${padding} between its labels; it fills up the end of a row`);
    if (used > length)
      fail("bad-data", `sample ${row} has ${used} labels, and the loss takes ${length} at most: no more than steps`);
    data.set(labels.subarray(0, used), row * length);
  }
  return { dtype: "int64", shape: [...target.shape.slice(0, -1), length], data };
}

/**
 * The target of a batch that has only one.
 *
 * @throws SecateurError `bad-data` for a batch without targets, or with several
 */
export function requireTarget({ target, targets = {} }: Batch): Tensor {
  const named = Object.keys(targets);
  if (target === undefined && named.length > 1)
    fail(
      "bad-data",
      `the data has the targets ${named.map((name) => `"${name}"`).join(", ")}: say by ${option("loss")} which ` +
        "output each belongs to",
    );
  return (
    target ??
    targets[named[0] ?? ""] ??
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
export function checkTarget({ dtype, shape }: Tensor, wanted: Pick<Tensor, "dtype" | "shape">, input = "target"): void {
  if (dtype === wanted.dtype && sameShape(shape, wanted.shape)) return;
  const form = (type: Pick<Tensor, "dtype" | "shape">): string => `${type.dtype} [${type.shape.join(", ")}]`;
  const name = input === "target" ? "the target" : `the target "${input.slice("target/".length)}"`;
  fail(
    "bad-data",
    `${name} in the data is ${form({ dtype, shape })}; the loss takes ${form(wanted)}: class ids with ` +
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
