/** From a batch of data to the inputs of a model. */

import { fail, option } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import { sizeOf, toNumbers, type Shape, type Tensor } from "../graph/tensor.ts";
import { sameShape } from "../ops/emitter.ts";
import type { Batch } from "../data/batches.ts";
import { checkLabels, checkShares } from "../data/checks.ts";
import { nearest } from "../options/suggest.ts";
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
    const { input, classes, ignore, never, least, isShare } = wanted;
    const { dtype, shape } = inputs.find(({ name }) => name === input)!;
    const target = filledUp(requireTarget(batch, wanted), shape as Shape, wanted);
    const fitted = fitTarget(target, { dtype, shape: shape as Shape }, wanted);
    if (classes > 0) checkLabels(fitted, classes, { ignore, never, least, loss: wanted.loss });
    if (isShare) checkShares(fitted, wanted);
    return [input, fitted] as const;
  });
  return Object.fromEntries(feeds);
}

/**
 * Whether all that losses compare with in a minibatch are class ids that they ignore, so that they are 0 whatever the
 * model gives. What fills up rows is no class.
 *
 * @param feeds as {@link targetFeeds} gives them
 */
export function nothingCounts(
  { terms, targets }: Pick<ObjectiveInputs, "terms" | "targets">,
  feeds: Readonly<Record<string, Tensor>>,
): boolean {
  if (targets.length === 0 || terms.some(({ target }) => target === undefined)) return false;
  return targets.every(({ input, ignore, padding }) => {
    if (ignore === undefined || padding !== undefined || feeds[input] === undefined) return false;
    return (feeds[input].data as BigInt64Array).every((id) => id === BigInt(ignore));
  });
}

/** What a loss knows of its target. */
export type Wanted = Pick<TargetInput, "name"> & { readonly [K in keyof TargetInput]?: TargetInput[K] | undefined };

/** Where targets may be found. */
interface TargetSource extends Pick<Batch, "inputs" | "size"> {
  readonly target?: Batch["target"] | undefined;
  readonly targets?: Batch["targets"] | undefined;
}

/** The only target there is, or that of the name of the output. */
const theOnly: Wanted = { name: "" };

/** Whether a batch has one of the targets that losses look at. */
export const hasTarget = (batch: Batch, wanted: readonly Wanted[]): boolean =>
  wanted.some((one) => findTarget(batch, one) !== undefined);

/**
 * The target of a batch that a loss looks at, where it has it. Arrays of data that knew no model may be inputs or
 * targets: what is no target by name is looked for among the inputs.
 */
export function findTarget(
  { target, targets = {}, inputs }: TargetSource,
  { name, output }: Wanted,
): Tensor | undefined {
  // Arrays called "target" are the target without a name.
  if (name !== "") return targets[name] ?? inputs[name] ?? (name === "target" ? target : undefined);
  const [only, ...others] = Object.values(targets);
  const named = output === undefined ? undefined : (targets[output] ?? inputs[output]);
  return target ?? named ?? (others.length === 0 ? only : undefined);
}

/** The target with rows of the length that a shape has, where it may be filled up. */
function filledUp(target: Tensor, shape: Shape, { padding }: Pick<TargetInput, "padding">): Tensor {
  if (padding === undefined || target.shape.length !== shape.length || target.dtype !== "int64") return target;
  const [own, length] = [target.shape.at(-1)!, shape.at(-1)!];
  const nothing = BigInt(padding);
  const source = target.data as BigInt64Array;
  const data = new BigInt64Array(sizeOf(target.shape.slice(0, -1)) * length).fill(nothing);
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
 * The target of a batch that a loss looks at.
 *
 * @throws SecateurError `bad-data` for a batch that does not have it
 */
export function requireTarget(batch: Batch, wanted: Wanted = theOnly): Tensor {
  return findTarget(batch, wanted) ?? fail("bad-data", whyNone(batch, wanted));
}

function whyNone({ target, targets = {} }: Batch, { name, output, loss }: Wanted): string {
  const has = [...(target ? ["one target without a name"] : []), ...Object.keys(targets).map((one) => `"${one}"`)];
  if (name !== "") {
    const near = nearest(name, Object.keys(targets));
    const of = output === undefined || output === name ? "" : ` of "${output}"`;
    const meant = near === undefined ? "" : ` (did you mean "${near}"?)`;
    return (
      `${loss ?? "a loss"}${of} takes the target "${name}"${meant}; the data has ` + (has.join(", ") || "no targets")
    );
  }
  return has.length > 0
    ? `the data has the targets ${has.join(", ")}: say by ${option("loss")} which output takes which`
    : `the data has no targets, and the loss needs them; without labels prune takes ${option("targets", "teacher")}, ` +
        `and score ${option("targets", "sampled")}`;
}

/**
 * A target in the type and shape that a loss takes. Whole numbers do for floats, and axes of 1 behind the first may be
 * there or not.
 *
 * @throws SecateurError `bad-data` where it does not fit, as when data and loss do not go together
 */
export function fitTarget(target: Tensor, form: Pick<Tensor, "dtype" | "shape">, wanted: Wanted = theOnly): Tensor {
  const { dtype, shape } = form;
  const isWhole = target.dtype === "bool" || /^u?int/.test(target.dtype);
  const isRight = target.dtype === dtype || (dtype === "int64" ? isWhole : isWhole || target.dtype === "float64");
  if (!isRight || !sameShape(plainShape(target.shape), plainShape(shape)))
    fail("bad-data", unfit(target, form, wanted));
  if (target.dtype === dtype) return { ...target, shape };
  const values = toNumbers(target);
  return dtype === "int64"
    ? { dtype, shape, data: BigInt64Array.from(values, (value) => BigInt(value)) }
    : ({ dtype, shape, data: Float32Array.from(values) } as Tensor);
}

/** A shape without the axes of 1 behind the first. */
const plainShape = (shape: Shape): Shape => shape.filter((dim, i) => i === 0 || dim !== 1);

function unfit(target: Tensor, form: Pick<Tensor, "dtype" | "shape">, wanted: Wanted): string {
  const { name, output, loss, classes = 0 } = wanted;
  const shown = (type: Pick<Tensor, "dtype" | "shape">): string => `${type.dtype} [${type.shape.join(", ")}]`;
  const what = name === "" ? "the target" : `the target "${name}"`;
  const takes = form.dtype === "int64" ? `class ids${classes > 0 ? `, 0 to ${classes - 1}` : ""}` : "numbers";
  const of = loss === undefined ? "" : `: ${loss} on "${output}" compares with ${takes}`;
  const isFloat = target.dtype.startsWith("float");
  const other =
    form.dtype === "int64" && isFloat
      ? `; numbers in the shape of the output go with ${option("loss", "mse")}`
      : form.dtype !== "int64" && !isFloat
        ? `; class ids go with ${option("loss", loss === "dice" ? { kind: "dice", axis: 1 } : "cross-entropy")}`
        : "";
  const isLast = classes > 0 && target.shape.length === form.shape.length && target.shape[1] === classes;
  const axis = isLast ? `; classes along the last axis go with ${option("loss", { kind: loss, axis: -1 })}` : "";
  return `${what} in the data is ${shown(target)}; the loss takes ${shown(form)}${of}${other}${axis}`;
}

function check(graph: Pick<Graph, "inputs">, name: string, tensor: Tensor): Tensor {
  const declared = graph.inputs.find((input) => input.name === name)!;
  const fits =
    declared.shape === undefined ||
    (declared.shape.length === tensor.shape.length &&
      declared.shape.every((dim, i) => typeof dim === "string" || dim === tensor.shape[i]));
  if (!fits)
    fail(
      "bad-data",
      `input "${name}" is [${declared.shape!.join(", ")}]; the data has [${tensor.shape.join(", ")}]` +
        sizeHint(declared.shape!, tensor.shape),
    );
  if (tensor.dtype !== declared.dtype)
    fail("bad-data", `input "${name}" is ${declared.dtype}; the data has ${tensor.dtype}`);
  return tensor;
}

/** What to do where height and width of images are the wrong way round. */
function sizeHint(declared: readonly (number | string)[], [, , height, width, ...rest]: Shape): string {
  const isTurned = declared.length === 4 && rest.length === 0 && declared[2] === width && declared[3] === height;
  return isTurned && height !== width ? `: sizes are height x width, ${option("size", `${width}x${height}`)}` : "";
}
