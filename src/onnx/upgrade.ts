/** Brings the nodes of a model to the internal opset, step by step as the ONNX standard changed. */

import { fail } from "../graph/error.ts";
import {
  describe,
  freshName,
  namesOf,
  producersOf,
  readersOf,
  type Dim,
  type Graph,
  type Model,
  type Node,
} from "../graph/graph.ts";
import { mapBodies } from "../graph/sort.ts";
import type { DType, Tensor } from "../graph/tensor.ts";
import type { Upgrading } from "./upgrade-step.ts";
import { upgrades } from "./upgrades.ts";

/** The opset that every graph is in once it is loaded. */
export const internalOpset = 23;

/** Operators whose first output has the element type of their first input. */
const sameType = new Set(
  (
    "Abs Acos Acosh Add Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Clip Concat Conv ConvTranspose Cos " +
    "Cosh DepthToSpace Div Dropout Elu Erf Exp Expand Flatten Floor Gather Gemm GlobalAveragePool GlobalMaxPool " +
    "HardSigmoid Identity InstanceNormalization LRN LeakyRelu Log LogSoftmax MatMul Max MaxPool Mean Min Mod Mul Neg " +
    "PRelu Pad Pow Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin " +
    "ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Selu Sigmoid Sin Sinh Slice Softmax Softplus Softsign " +
    "SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile Transpose Unsqueeze Upsample"
  ).split(" "),
);

interface Scope {
  readonly types: Map<string, { readonly dtype: DType; readonly shape?: readonly Dim[] }>;
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly producers: ReadonlyMap<string, Node>;
  /** Names that mean something here, so that they do not mean what they mean outside. */
  readonly own: ReadonlySet<string>;
  readonly outer: Scope | undefined;
}

/** What a name is in a scope, or outside where it is nothing in it. Scopes are many where bodies are: they are not copied. */
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

function typeThrough(scope: Scope, name: string): DType | undefined {
  const seen = new Set<string>();
  for (let at = name; !seen.has(at);) {
    seen.add(at);
    const known = lookUp(scope, "types", at)?.dtype;
    if (known !== undefined) return known;
    const producer = lookUp(scope, "producers", at);
    if (!producer || producer.domain !== "" || producer.outputs.length === 0) return undefined;
    // The indices of MaxPool and the mask of Dropout are of other types.
    if (!sameType.has(producer.op) || (producer.outputs[0] !== at && producer.op !== "Split")) return undefined;
    at = producer.inputs[0] ?? "";
  }
  return undefined;
}

function enter(graph: Graph, outer: Scope | undefined): Scope {
  const types: Scope["types"] = new Map();
  for (const value of [...graph.info.values(), ...graph.outputs, ...graph.inputs]) types.set(value.name, value);
  for (const [name, value] of graph.initializers) types.set(name, value);
  const producers = producersOf(graph);
  const own = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys(), ...producers.keys()]);
  return { types, constants: graph.initializers, producers, own, outer };
}

function lift(node: Node, from: number, context: Upgrading): readonly Node[] {
  if (node.domain !== "") return [node];
  const steps = Object.hasOwn(upgrades, node.op) ? upgrades[node.op] : undefined;
  const step = steps?.find(({ since }) => since > from);
  if (!step) return [node];
  const lifted = step.upgrade(node, context);
  return (Array.isArray(lifted) ? (lifted as readonly Node[]) : [lifted as Node]).flatMap((one) =>
    lift(one, step.since, context),
  );
}

function upgradeGraph(graph: Graph, from: number, taken: Set<string>, outer: Scope | undefined): Graph {
  const scope = enter(graph, outer);
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const added = new Map<string, Tensor>();
  const context: Upgrading = {
    constant(value, base) {
      const name = freshName(taken, base);
      added.set(name, value);
      return name;
    },
    fresh: (base) => freshName(taken, base),
    shape: (name) => lookUp(scope, "types", name)?.shape,
    dtype: (name) => typeThrough(scope, name),
    initializer: (name) => lookUp(scope, "constants", name),
    isUsed: (name) => name !== "" && (readers.has(name) || outputs.has(name)),
    refuse: (node, why) =>
      fail("unsupported", `${describe(node)} of opset ${from} ${why}; export the model with a newer opset`),
  };
  const nodes = graph.nodes.flatMap((node) => {
    return lift(
      mapBodies(node, (body) => upgradeGraph(body, from, taken, scope)),
      from,
      context,
    );
  });
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const dropped = graph.nodes.flatMap((node) => node.outputs).filter((name) => !made.has(name));
  const info = new Map(graph.info);
  for (const name of dropped) info.delete(name);
  const changed = new Set([...readers.keys()].filter((name) => graph.initializers.has(name)));
  const rest = { ...graph, nodes, info, initializers: new Map([...graph.initializers, ...added]) };
  const still = readersOf(rest);
  for (const name of changed) if (!still.has(name) && !outputs.has(name)) rest.initializers.delete(name);
  return rest;
}

/**
 * The model in opset 23 of the ONNX standard, bodies included. Nodes of other domains stay as they are. Attributes
 * that became inputs are new initializers.
 *
 * @throws SecateurError `unsupported` naming the node that means something which opset 23 cannot say.
 */
export function upgrade(model: Model): Model {
  const from = model.opsets[""] ?? internalOpset;
  if (from === internalOpset) return model;
  if (from > internalOpset)
    fail("unsupported", `the model is written in ONNX opset ${from}; the newest supported is ${internalOpset}`);
  const graph = upgradeGraph(model.graph, from, namesOf(model.graph), undefined);
  return { ...model, graph, opsets: { ...model.opsets, "": internalOpset } };
}
