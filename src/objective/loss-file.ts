/** A loss of your own: the graph of its file, joined to what a model puts out and to targets of the data. */

import type { GraphBuilder } from "../graph/builder.ts";
import { SecateurError, fail, option } from "../graph/error.ts";
import { describe, type Dim, type Graph, type Node, type ValueInfo } from "../graph/graph.ts";
import { isFloat, type DType, type Shape } from "../graph/tensor.ts";
import { classIdsOf, type ClassIds } from "../ops/class-ids.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { sameShape, valueIn } from "../ops/emitter.ts";
import type { Targets } from "../options/learning.ts";
import { lossesOf, type FileLoss, type Loss } from "../options/loss.ts";
import type { Traced } from "../passes/trace.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { lossOf } from "./losses/table.ts";
import { inputNameOf } from "./terms.ts";

/** A loss of a file as it stands beside others. */
export interface FileTerm {
  /** As messages name it. */
  readonly name: string;
  /** Its inputs are `target`, `target/NAME`, and outputs and inputs of the model by their names. */
  readonly graph: Graph;
  readonly weight: number;
  /** Whether a sample's loss is the same whatever other samples stand beside it. */
  readonly isApart: boolean;
}

/** A loss of a file in a graph: a number for each sample, or one for the batch. */
export interface AppendedFile {
  /** [N] */
  readonly perSample?: Value;
  /** [] */
  readonly mean?: Value;
  /** Its inputs that take targets, with the names of these in the data, and the class ids that they may hold. */
  readonly targets: readonly (Partial<ClassIds> & { readonly input: string; readonly name: string })[];
}

/** What messages call a loss. */
export const nameOfFile = ({ file, model }: FileLoss): string => file ?? model?.graph.name ?? "";

const isFile = (one: { readonly kind: string }): one is FileLoss & { readonly kind: "file" } => one.kind === "file";

/**
 * The terms of an objective that are files, once they are read.
 *
 * @throws SecateurError `bad-option` for a file that nobody has read
 */
export const fileTermsOf = (loss: Loss): FileTerm[] =>
  lossesOf(loss)
    .filter(isFile)
    .map((one) => ({
      name: nameOfFile(one),
      graph: (one.model ?? fail("bad-option", `the loss "${nameOfFile(one)}" is not read: give it as a model`)).graph,
      weight: one.weight ?? 1,
      isApart: one.isApart ?? false,
    }));

/** Why a minibatch cannot be taken to pieces, where a loss is one of all its samples. */
export function wholeBatchLoss(loss: Loss): string | undefined {
  const whole = [
    ...fileTermsOf(loss).flatMap(({ name, isApart }) => (isApart ? [] : [name])),
    ...lossesOf(loss).flatMap((one) => (!isFile(one) && lossOf(one.kind).comparesSamples ? [one.kind] : [])),
  ];
  return whole.length > 0
    ? `the loss "${whole[0]}" depends on all samples of a minibatch together, which cannot be split`
    : undefined;
}

/** The name of the target that an input of a settled file takes: "" for the only one; nothing where it takes none. */
export function targetOfInput(input: string): string | undefined {
  const prefix = inputNameOf("target", "");
  if (input === prefix) return "";
  return input.startsWith(`${prefix}/`) ? input.slice(prefix.length + 1) : undefined;
}

/** What a loss is joined to. */
interface Joining {
  readonly builder: GraphBuilder;
  readonly g: Emit;
  /** Gives an output of the model, or one of its inputs. */
  other(name: string): Value;
}

/** What an objective is besides its losses. */
interface Rest {
  readonly targets?: Targets | undefined;
  readonly distillation?: { readonly weight: number } | undefined;
  readonly mixture?: unknown;
}

/**
 * Joins a loss to values of a graph; it has nothing but targets of the data to compare with.
 *
 * @param isAlone whether all losses are files
 * @throws SecateurError `bad-option` where the file does not fit the model or the other options, `unsupported` for a
 * node without rules
 */
export function joinFile(joining: Joining, term: FileTerm, rest: Rest, isAlone: boolean): AppendedFile {
  const { targets = "labels", distillation, mixture } = rest;
  const named = `the loss "${term.name}"`;
  if (mixture) fail("bad-option", `${named} cannot mix two targets: leave out ${option("mixup")}`);
  if (targets === "sampled")
    fail("bad-option", `${named} does not say what targets a model expects: use ${option("targets", "labels")}`);
  const share = distillation?.weight ?? 0;
  if (share === 1 || (share > 0 && isAlone))
    fail(
      "bad-option",
      `${named} does not say how far outputs are from those of another model: put a loss on these outputs beside ` +
        "it, or in its place",
    );
  return append(joining, share === 0 ? term : { ...term, weight: term.weight * (1 - share) });
}

function append({ builder, g, other }: Joining, term: FileTerm): AppendedFile {
  const { inputs, outputs } = term.graph;
  const given = inputs.filter(({ name }) => targetOfInput(name) === undefined);
  const values = new Map(given.map(({ name }) => [name, other(name)]));
  for (const input of given) checkJoined(term, input, values.get(input.name)!);
  const batch = values.get(given[0]?.name ?? "")?.shape[0];
  if (batch === undefined) fail("bad-option", `the loss "${term.name}" takes no output of the model`);
  const sizes = new Map([...(term.graph.sizes ?? []), ...given.flatMap((input) => sizesIn(input, values))]);
  const targets = inputs.flatMap((input) => {
    const name = targetOfInput(input.name);
    if (name === undefined) return [];
    values.set(input.name, takeTarget(builder, g, term, input, shapeOfTarget(term, input, batch, sizes)));
    return [{ input: input.name, name }];
  });
  const traced = traceJoined(term, values, batch);
  const result = join(builder, term, traced, values)(outputs[0]!.name);
  const known = targets.map((target) => ({ ...target, ...classIdsOf(traced, target.input) }));
  return { ...asLoss(g, term, valueIn(builder, result), batch), targets: known };
}

const shown = (shape: readonly Dim[] | undefined): string =>
  shape ? `[${shape.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]` : "of any shape";

function checkJoined({ name: file }: FileTerm, { name, dtype, shape }: ValueInfo, value: Value): void {
  const fits =
    shape === undefined ||
    (shape.length === value.shape.length && shape.every((dim, i) => typeof dim === "string" || dim === value.shape[i]));
  if (fits && dtype === value.dtype) return;
  fail(
    "bad-option",
    `the loss "${file}" takes "${name}" as ${dtype} ${shown(shape)}, and the model's is ${value.dtype} ` +
      `${shown(value.shape)}: export it for these shapes, with an open batch`,
  );
}

/** The sizes that an input's shape gives to the symbols that the file writes there. */
const sizesIn = ({ name, shape = [] }: ValueInfo, values: ReadonlyMap<string, Value>): (readonly [string, number])[] =>
  shape.flatMap((dim, axis) =>
    axis > 0 && typeof dim === "string" && dim !== "" ? [[dim, values.get(name)!.shape[axis]!] as const] : [],
  );

function shapeOfTarget(
  { name: file }: FileTerm,
  { name, shape }: ValueInfo,
  batch: number,
  sizes: ReadonlyMap<string, number>,
): Shape {
  if (shape === undefined || shape.length === 0)
    fail("bad-option", `the loss "${file}" does not say that the first axis of "${name}" is that of the samples`);
  return shape.map((dim, axis) => {
    if (axis === 0) return batch;
    const size = typeof dim === "number" ? dim : sizes.get(dim);
    return (
      size ??
      fail(
        "bad-option",
        `the loss "${file}" takes "${name}" as ${shown(shape)}, and there is no data to tell the sizes: export it ` +
          "with all of them but the batch",
      )
    );
  });
}

/** ONNX's codes of what targets are cast to; data has whole numbers in 64 bits, and floats in 32. */
const codes: Readonly<Partial<Record<DType, number>>> = {
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  bool: 9,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

/** The value of a target, which another loss may take too. */
function takeTarget(builder: GraphBuilder, g: Emit, { name: file }: FileTerm, input: ValueInfo, shape: Shape): Value {
  const { name, dtype: wanted } = input;
  const dtype = isFloat(wanted) ? "float32" : "int64";
  if (!builder.inputs.some((other) => other.name === name)) builder.input(name, { dtype, shape }, true);
  const value = valueIn(builder, name);
  if (value.dtype !== dtype || !sameShape(value.shape, shape))
    fail(
      "bad-option",
      `the loss "${file}" takes "${name}" as ${dtype} ${shown(shape)}, and another loss as ${value.dtype} ` +
        shown(value.shape),
    );
  return wanted === dtype ? value : g.Cast(value, { to: codes[wanted] ?? refuseType(file, name, wanted) });
}

const refuseType = (file: string, name: string, dtype: DType): never =>
  fail("bad-option", `the loss "${file}" takes "${name}" as ${dtype}, and targets are numbers`);

/** The graph of the file at the sizes of what it is joined to. */
function traceJoined({ name, graph }: FileTerm, values: ReadonlyMap<string, Value>, batch: number): Traced {
  const inputs = graph.inputs.map((input) => ({ ...input, shape: values.get(input.name)!.shape }));
  const traced = attempt();
  const [first] = traced.refusals;
  if (first) fail("unsupported", `the loss "${name}": ${describe(first.node)}: ${first.reason}`);
  return traced;

  function attempt(): Traced {
    try {
      return analyse({ ...graph, inputs }, { batch }).traced;
    } catch (error) {
      if (!(error instanceof SecateurError)) throw error;
      const shapes = inputs.map((input) => `"${input.name}" ${shown(input.shape)}`).join(", ");
      return fail(error.code, `the loss "${name}" does not go with ${shapes}: ${error.message}`);
    }
  }
}

/** Copies what a value of the file needs into the builder; gives its name there. */
function join(
  builder: GraphBuilder,
  { name: file }: FileTerm,
  { graph, types, constants }: Traced,
  values: ReadonlyMap<string, Value>,
): (name: string) => string {
  const prefix = file.split(/[\\/]/).at(-1)!;
  const names = new Map([...values].map(([name, value]) => [name, value.name]));
  const nameIn = (name: string): string => {
    if (name === "") return "";
    const known = names.get(name);
    if (known !== undefined) return known;
    const made = builder.constant(constants.get(name)!, `${prefix}/${name}`);
    names.set(name, made);
    return made;
  };
  const copy = (node: Node): void => {
    if (node.outputs.every((name) => name === "" || constants.has(name))) return;
    const inputs = node.inputs.map(nameIn);
    const outputs = node.outputs.map((name) => {
      if (name === "") return "";
      const made = builder.fresh(`${prefix}/${name}`);
      builder.types.set(made, types.get(name)!);
      names.set(name, made);
      return made;
    });
    // An error that names the node says by this whose it is.
    const name = builder.fresh(`${prefix}/${node.name === "" ? node.outputs[0]! : node.name}`);
    builder.nodes.push({ ...node, name, inputs, outputs });
  };
  graph.nodes.forEach(copy);
  return nameIn;
}

/** The result as a number for each sample, or for the batch, times its weight. */
function asLoss(g: Emit, { name, weight }: FileTerm, value: Value, batch: number): Omit<AppendedFile, "targets"> {
  const { dtype, shape } = value;
  const weighed = weight === 1 ? value : g.Mul(value, g.scalar(weight));
  if (dtype === "float32" && sameShape(shape, [batch])) return { perSample: weighed };
  if (dtype === "float32" && (shape.length === 0 || sameShape(shape, [1]))) return { mean: g.reshaped(weighed, []) };
  fail(
    "bad-option",
    `the loss "${name}" gives ${dtype} ${shown(shape)}; it must be a number for each of the ${batch} samples, ` +
      `float32 [${batch}], or one for all of them, []`,
  );
}
