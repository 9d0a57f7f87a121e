/**
 * Puts the branch that is always taken in the place of an If whose condition is known, as
 * exporters leave it where a size decides.
 */

import { bodies, type Attribute, type Attributes, type Graph, type Node, type ValueInfo } from "../graph/graph.ts";
import { Names, namesOf } from "../graph/names.ts";
import { mapBodies, sortNodes } from "../graph/sort.ts";
import { toNumbers, type Tensor } from "../graph/tensor.ts";
import { beside } from "../onnx/upgrade-step.ts";
import { foldConstants } from "../onnx/constants.ts";
import { openEntries } from "./settled.ts";
import type { Traced } from "./trace.ts";

/**
 * The graph without the Ifs whose condition is the same in all traces: what the branch computes stands in the graph,
 * under its own names where these are free. The same graph where there are none.
 *
 * @param traces of the graph at different sizes
 */
export function settleBranches(graph: Graph, traces: readonly Traced[]): Graph {
  const chosen = new Map<Node, Graph>();
  if (!graph.nodes.some(isIf)) return graph;
  const settle = openEntries(traces);
  for (const node of graph.nodes) {
    const openOf = settle(node);
    // A batch of one is compared with one, and takes the other branch.
    const branch = openOf(node.inputs[0] ?? "").includes(true) ? undefined : branchOf(node, traces);
    if (branch !== undefined) chosen.set(node, branch);
  }
  if (chosen.size === 0) return graph;
  const left = graph.nodes.filter((node) => !chosen.has(node));
  const taken = namesOf({ ...graph, nodes: left });
  for (const node of chosen.keys()) for (const name of node.outputs) taken.add(name);
  // The runtime wants the names of nodes to differ too.
  const called = new Names(left.flatMap(({ name }) => (name === "" ? [] : [name])));
  const initializers = new Map(graph.initializers);
  const info = new Map(graph.info);
  const nodes = graph.nodes.flatMap((node) => {
    const branch = chosen.get(node);
    if (branch === undefined) return [node];
    const inlined = inline(branch, node.outputs, taken, called);
    for (const [name, value] of inlined.initializers) initializers.set(name, value);
    for (const [name, value] of inlined.info) if (!info.has(name)) info.set(name, value);
    return inlined.nodes;
  });
  return sortNodes({ ...graph, nodes, initializers, info });
}

const isIf = ({ op, domain }: Node): boolean => op === "If" && domain === "";

/** The branch that a node takes whatever the sizes; `undefined` where it is no If or depends on what is fed. */
function branchOf(node: Node, traces: readonly Pick<Traced, "constants">[]): Graph | undefined {
  if (!isIf(node)) return undefined;
  const conditions = traces.map(({ constants }) => constants.get(node.inputs[0]!));
  if (!conditions.every(isOne)) return undefined;
  const [first, ...others] = conditions.map((condition) => toNumbers(condition)[0] !== 0);
  if (others.some((other) => other !== first)) return undefined;
  const branch: Attribute | undefined = node.attributes[first ? "then_branch" : "else_branch"];
  return branch?.type === "graph" && branch.value.outputs.length === node.outputs.length
    ? foldConstants(branch.value)
    : undefined;
}

const isOne = (condition: Tensor | undefined): condition is Tensor => condition?.data.length === 1;

interface Inlined {
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly info: ReadonlyMap<string, ValueInfo>;
}

/** A body in the graph around it, its outputs under the given names. */
function inline(body: Graph, outputs: readonly string[], taken: Names, called: Names): Inlined {
  const names = new Map<string, string>();
  const made = new Set(body.nodes.flatMap((node) => node.outputs));
  body.outputs.forEach(({ name }, i) => {
    if (made.has(name) && !names.has(name) && outputs[i]) names.set(name, outputs[i]);
  });
  for (const name of [...body.initializers.keys(), ...made])
    if (name !== "" && !names.has(name)) names.set(name, taken.fresh(name));
  // What a branch hands through, or puts out twice.
  const copies = body.outputs.flatMap(({ name }, i): Node[] => {
    const [from, to] = [names.get(name) ?? name, outputs[i]!];
    return to === "" || from === to ? [] : [beside("Identity", [from], [to])];
  });
  const info = new Map<string, ValueInfo>();
  for (const value of [...body.info.values(), ...body.outputs]) {
    const name = names.get(value.name);
    if (name !== undefined) info.set(name, { ...value, name });
  }
  return {
    nodes: [...body.nodes.map((node) => renamed(node, names, called)), ...copies],
    initializers: new Map([...body.initializers].map(([name, value]) => [names.get(name)!, value])),
    info,
  };
}

/**
 * The node with other names for what it reads and writes, in its bodies too unless they
 * mean something of their own by them.
 */
export function renamed(node: Node, names: ReadonlyMap<string, string>, called?: Names): Node {
  const other = (name: string): string => names.get(name) ?? name;
  const attributes: Attributes =
    bodies(node).length === 0 ? node.attributes : mapBodies(node, (body) => renamedReads(body, names)).attributes;
  const name = called && node.name !== "" ? called.fresh(node.name) : node.name;
  return { ...node, name, inputs: node.inputs.map(other), outputs: node.outputs.map(other), attributes };
}

function renamedReads(body: Graph, names: ReadonlyMap<string, string>): Graph {
  const own = new Set([
    ...body.inputs.map(({ name }) => name),
    ...body.initializers.keys(),
    ...body.nodes.flatMap(({ outputs }) => outputs),
  ]);
  const outer = new Map([...names].filter(([name]) => !own.has(name)));
  if (outer.size === 0) return body;
  return {
    ...body,
    nodes: body.nodes.map((node) => renamed(node, outer)),
    outputs: body.outputs.map((output) => ({ ...output, name: outer.get(output.name) ?? output.name })),
  };
}
