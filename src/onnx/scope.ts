/** What is known around a node that is rewritten for another opset, and the walk that rewrites all, bodies included. */

import { producersOf, readersOf, type Dim, type Graph, type Node, type ValueInfo } from "../graph/graph.ts";
import type { Names } from "../graph/names.ts";
import { mapBodies } from "../graph/sort.ts";
import type { DType, Tensor } from "../graph/tensor.ts";
import { knownDtypeOf } from "./proto.ts";
import { constantOf } from "./constants.ts";

/** What a rewriting may know of the graph around a node, and may add to it. */
export interface Surroundings {
  /** A new initializer; its name. */
  constant(value: Tensor, base: string): string;
  /** A name that is free. */
  fresh(base: string): string;
  /** The declared shape of a value, where there is one. */
  shape(name: string): readonly Dim[] | undefined;
  /** The number of axes of a value, where it is declared or follows from what produces it. */
  rank(name: string): number | undefined;
  /** The element type of a value, where it is declared or follows from what produces it. */
  dtype(name: string): DType | undefined;
  /** What a value is, where it is a constant. */
  initializer(name: string): Tensor | undefined;
  /** What produces a value, where a node does. */
  producer(name: string): Node | undefined;
  /** Whether anything reads the value. */
  isUsed(name: string): boolean;
}

/** Operators whose first output has the element type of their first input. */
const sameType = new Set(
  (
    "Abs Acos Acosh Add Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Clip Concat Conv ConvTranspose Cos " +
    "Cosh DepthToSpace Div Dropout Elu Erf Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool " +
    "GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization LeakyRelu Log " +
    "LogSoftmax MatMul Max MaxPool Mean Min Mish Mod Mul Neg PRelu Pad Pow Reciprocal ReduceL1 ReduceL2 ReduceLogSum " +
    "ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Selu " +
    "Sigmoid Sin Sinh Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh " +
    "ThresholdedRelu Tile Transpose Unsqueeze Upsample"
  ).split(" "),
);
/** Those where it is the type of the second. */
const typeOfSecond = new Set(["CastLike", "Where"]);

interface Scope {
  readonly types: Map<string, Pick<ValueInfo, "dtype" | "shape">>;
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly producers: ReadonlyMap<string, Node>;
  /** Names that mean something here, so that they do not mean what they mean outside. */
  readonly own: ReadonlySet<string>;
  readonly outer: Scope | undefined;
}

/** What a name is in a scope, or else outside of it. Bodies make many scopes, so that none is copied. */
function lookUp<K extends "types" | "constants" | "producers">(
  scope: Scope,
  kind: K,
  name: string,
): ReturnType<Scope[K]["get"]> | undefined {
  for (let at: Scope | undefined = scope; at; at = at.outer) {
    const found = at[kind].get(name) as ReturnType<Scope[K]["get"]>;
    if (found !== undefined || at.own.has(name)) return found;
  }
  return undefined;
}

function dtypeIn(scope: Scope, name: string): DType | undefined {
  const seen = new Set<string>();
  for (let at = name; !seen.has(at);) {
    seen.add(at);
    const known = lookUp(scope, "types", at)?.dtype;
    if (known !== undefined) return known;
    const producer = lookUp(scope, "producers", at);
    if (!producer || producer.domain !== "" || producer.outputs.length === 0) return undefined;
    const { op, inputs, outputs, attributes } = producer;
    if (op === "Constant") return constantOf(producer).dtype;
    const to = op === "Cast" ? attributes["to"] : undefined;
    if (to?.type === "int") return knownDtypeOf(to.value);
    // The indices of MaxPool and the mask of Dropout are of other types.
    if (outputs[0] !== at && op !== "Split") return undefined;
    if (typeOfSecond.has(op)) at = inputs[1] ?? "";
    else if (sameType.has(op)) at = inputs[0] ?? "";
    else return undefined;
  }
  return undefined;
}

/** Operators whose output has as many axes as their first input, and those whose output is a matrix. */
const sameRank = new Set(
  (
    "Abs AveragePool BatchNormalization Cast CastLike Ceil Clip Concat Conv ConvTranspose Cos Dropout Elu Erf Exp " +
    "Floor Gelu GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Identity " +
    "InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax MaxPool Mish Neg PRelu Pad Reciprocal " +
    "Relu Resize Round Selu Sigmoid Sign Sin Slice Softmax Softplus Softsign Split Sqrt Tanh Tile Transpose Upsample"
  ).split(" "),
);
const ofMatrices = new Set(["Flatten", "Gemm"]);
const broadcasts = new Set("Add Div Max Mean Min Mul Pow Sub Sum Where Equal Greater Less".split(" "));
/** How many producers a rank is followed through. */
const farthest = 100;

function rankIn(scope: Scope, name: string, left = { steps: farthest }): number | undefined {
  for (let at = name; ;) {
    if (left.steps-- === 0) return undefined;
    const known = lookUp(scope, "types", at)?.shape?.length;
    if (known !== undefined) return known;
    const producer = lookUp(scope, "producers", at);
    if (!producer || producer.domain !== "") return undefined;
    const { op, inputs } = producer;
    if (ofMatrices.has(op)) return 2;
    if (op === "Reshape") return constantIn(scope, inputs[1] ?? "")?.shape[0];
    if (op === "Constant") return constantOf(producer).shape.length;
    if (broadcasts.has(op)) {
      const ranks = inputs.map((input) => rankIn(scope, input, left));
      return ranks.includes(undefined) ? undefined : Math.max(...(ranks as number[]));
    }
    if (!sameRank.has(op)) return undefined;
    at = inputs[0] ?? "";
  }
}

function constantIn(scope: Scope, name: string): Tensor | undefined {
  const known = lookUp(scope, "constants", name);
  if (known !== undefined) return known;
  // At the top of a model they are initializers since it was read; bodies have them as nodes.
  const producer = lookUp(scope, "producers", name);
  return producer?.op === "Constant" && producer.domain === "" ? constantOf(producer) : undefined;
}

function enter(graph: Graph, outer: Scope | undefined): Scope {
  const types: Scope["types"] = new Map();
  for (const value of [...graph.info.values(), ...graph.outputs, ...graph.inputs]) types.set(value.name, value);
  for (const [name, value] of graph.initializers) types.set(name, value);
  const producers = producersOf(graph);
  const own = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys(), ...producers.keys()]);
  return { types, constants: graph.initializers, producers, own, outer };
}

/**
 * The graph with every node, of bodies too, replaced by what `rewrite` makes of it. Initializers that nothing reads any
 * more go, and so do nodes of one output that only gave a value to what was rewritten.
 */
export function rewriteNodes(
  graph: Graph,
  taken: Names,
  rewrite: (node: Node, around: Surroundings) => readonly Node[],
): Graph {
  return rewriteIn(graph, taken, rewrite, undefined);
}

function rewriteIn(
  graph: Graph,
  taken: Names,
  rewrite: (node: Node, around: Surroundings) => readonly Node[],
  outer: Scope | undefined,
): Graph {
  const scope = enter(graph, outer);
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const added = new Map<string, Tensor>();
  const around: Surroundings = {
    constant(value, base) {
      const name = taken.fresh(base);
      added.set(name, value);
      return name;
    },
    fresh: (base) => taken.fresh(base),
    shape: (name) => lookUp(scope, "types", name)?.shape,
    dtype: (name) => dtypeIn(scope, name),
    rank: (name) => rankIn(scope, name),
    initializer: (name) => added.get(name) ?? constantIn(scope, name),
    producer: (name) => lookUp(scope, "producers", name),
    isUsed: (name) => name !== "" && (readers.has(name) || outputs.has(name)),
  };
  let changed = false;
  const nodes = graph.nodes.flatMap((node) => {
    const inner = mapBodies(node, (body) => rewriteIn(body, taken, rewrite, scope));
    const made = rewrite(inner, around);
    changed ||= made.length !== 1 || made[0] !== node;
    return made;
  });
  if (!changed) return graph;
  // What a step that was given up has added is read by nothing.
  const read = readersOf({ ...graph, nodes });
  const used = [...added].filter(([name]) => read.has(name));
  return tidy({ ...graph, nodes, initializers: new Map([...graph.initializers, ...used]) }, readers, outputs);
}

/** The graph without what was read before and is not any more. */
function tidy(graph: Graph, before: ReadonlyMap<string, unknown>, outputs: ReadonlySet<string>): Graph {
  let { nodes } = graph;
  for (;;) {
    const still = readersOf({ ...graph, nodes });
    const idle = (name: string): boolean => before.has(name) && !still.has(name) && !outputs.has(name);
    const kept = nodes.filter((node) => node.outputs.length !== 1 || !idle(node.outputs[0]!));
    if (kept.length < nodes.length) {
      nodes = kept;
      continue;
    }
    const made = new Set(nodes.flatMap((node) => node.outputs));
    const gone = (name: string): boolean => !made.has(name) && !graph.initializers.has(name);
    const inputs = new Set(graph.inputs.map(({ name }) => name));
    const info = new Map([...graph.info].filter(([name]) => !gone(name) || inputs.has(name)));
    const initializers = new Map([...graph.initializers].filter(([name]) => !idle(name)));
    return { ...graph, nodes, info, initializers };
  }
}
