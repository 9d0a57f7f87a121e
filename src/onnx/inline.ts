/** Functions that a model file declares, written out where they are called. */

import { Names } from "../graph/names.ts";
import { create } from "@bufbuild/protobuf";
import {
  NodeProtoSchema,
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./schema/onnx_pb.ts";
import { fail } from "../graph/error.ts";
import { formDomain } from "../graph/forms.ts";
import { maxNesting, normalDomain, toInt } from "./proto.ts";

/** Nodes that functions may become: each may call others several times, and so on. */
const mostNodes = 2 ** 18;

type Opsets = Readonly<Record<string, number>>;

const keyOf = (domain: string, name: string, overload: string): string =>
  JSON.stringify([normalDomain(domain), name, overload]);

interface Inlining {
  readonly functions: ReadonlyMap<string, FunctionProto>;
  readonly opsets: Map<string, number>;
  readonly taken: Names;
}

/** What the names and attributes of a function stand for where it is called. */
interface Call {
  readonly fn: FunctionProto;
  readonly prefix: string;
  readonly names: ReadonlyMap<string, string>;
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  readonly opsets: Opsets;
}

/** The message with some fields changed; fields that are not set stand in its prototype. */
const change = <T extends object>(message: T, changes: Partial<T>): T =>
  Object.assign(Object.create(Object.getPrototypeOf(message) as object) as T, message, changes);

const own = (opsets: Opsets, domain: string): number | undefined =>
  Object.hasOwn(opsets, domain) ? opsets[domain] : undefined;

function opsetsOf(fn: FunctionProto): Opsets {
  return Object.fromEntries(fn.opsetImport.map(({ domain, version }) => [normalDomain(domain), toInt(version)]));
}

function* graphsOf(node: NodeProto): Generator<GraphProto> {
  for (const { g, graphs } of node.attribute) {
    if (g) yield g;
    yield* graphs;
  }
}

/** All names of values in a graph and its bodies. */
function collectNames(graph: GraphProto, names: Set<string>, depth = 0): void {
  if (depth > maxNesting) return;
  for (const { name } of [...graph.input, ...graph.initializer]) names.add(name);
  for (const node of graph.node) {
    for (const name of node.output) names.add(name);
    for (const body of graphsOf(node)) collectNames(body, names, depth + 1);
  }
}

/** The names of a graph inside a function: those of its own are made new, the others mean what they mean around it. */
function enterBody(graph: GraphProto, { names, ...call }: Call, state: Inlining): Call {
  const made = [...graph.input, ...graph.initializer].map(({ name }) => name);
  const all = [...made, ...graph.node.flatMap(({ output }) => output)].filter((name) => name !== "");
  const inner = new Map(names);
  for (const name of new Set(all)) inner.set(name, state.taken.fresh(`${call.prefix}/${name}`));
  return { ...call, names: inner };
}

const rename = (names: ReadonlyMap<string, string>, name: string): string =>
  name === "" ? "" : (names.get(name) ?? name);

function bindGraph(graph: GraphProto, call: Call, state: Inlining): GraphProto {
  const inner = enterBody(graph, call, state);
  const named = <T extends { name: string }>(value: T): T =>
    change<{ name: string }>(value, { name: rename(inner.names, value.name) }) as T;
  return change(graph, {
    input: graph.input.map((value: ValueInfoProto) => named(value)),
    output: graph.output.map((value: ValueInfoProto) => named(value)),
    initializer: graph.initializer.map((value: TensorProto) => named(value)),
    valueInfo: graph.valueInfo.map((value: ValueInfoProto) => named(value)),
    node: graph.node.map((node) => bind(node, inner, state)),
  });
}

/** The attribute as the call has it; `undefined` where it refers to one that the call leaves out. */
function bindAttribute(attribute: AttributeProto, call: Call, state: Inlining): AttributeProto | undefined {
  if (attribute.refAttrName !== "") {
    const given = call.attributes.get(attribute.refAttrName);
    return given && change(given, { name: attribute.name });
  }
  return change(attribute, {
    ...(attribute.g && { g: bindGraph(attribute.g, call, state) }),
    graphs: attribute.graphs.map((graph) => bindGraph(graph, call, state)),
  });
}

/** A node of a function as a node of the graph that calls it. */
function bind(node: NodeProto, call: Call, state: Inlining): NodeProto {
  const domain = normalDomain(node.domain);
  return change(node, {
    domain: state.functions.has(keyOf(domain, node.opType, node.overload)) ? domain : domainOf(domain, call, state),
    name: node.name === "" ? "" : `${call.prefix}/${node.name}`,
    input: node.input.map((name) => rename(call.names, name)),
    output: node.output.map((name) => rename(call.names, name)),
    attribute: node.attribute.flatMap((attribute) => bindAttribute(attribute, call, state) ?? []),
  });
}

/** The domain of a node of a function, in the graph: it tells where the function is written in another opset. */
function domainOf(domain: string, { fn, opsets }: Call, state: Inlining): string {
  const [inner, outer] = [own(opsets, domain), state.opsets.get(domain)];
  if (inner === undefined || inner === outer) return domain;
  if (domain === "") return outer === undefined ? domain : formDomain(inner);
  if (outer === undefined) {
    state.opsets.set(domain, inner);
    return domain;
  }
  return fail(
    "unsupported",
    `the function "${fn.name}" is written in opset ${inner} of the domain "${domain}", and the model in ${outer}; ` +
      "export the model with one of them",
  );
}

function expand(
  node: NodeProto,
  fn: FunctionProto,
  depth: number,
  state: Inlining,
  info: ValueInfoProto[],
): NodeProto[] {
  const prefix = node.name || node.output.find((name) => name !== "") || fn.name;
  const names = new Map<string, string>();
  const passed: [from: string, to: string][] = [];
  fn.input.forEach((name, i) => names.set(name, node.input[i] ?? ""));
  fn.output.forEach((name, i) => {
    const wanted = node.output[i] ?? "";
    if (wanted === "") return;
    if (names.has(name)) passed.push([name, wanted]);
    else names.set(name, wanted);
  });
  for (const name of new Set(fn.node.flatMap(({ output }) => output)))
    if (name !== "" && !names.has(name)) names.set(name, state.taken.fresh(`${prefix}/${name}`));
  const attributes = new Map([...fn.attributeProto, ...node.attribute].map((one) => [one.name, one]));
  const call: Call = { fn, prefix, names, attributes, opsets: opsetsOf(fn) };
  for (const value of fn.valueInfo) {
    const name = names.get(value.name);
    if (name !== undefined && name !== "" && !fn.input.includes(value.name)) info.push(change(value, { name }));
  }
  const nodes = fn.node.map((inner) => bind(inner, call, state));
  // An output that is an input, or one of two that are the same value.
  for (const [from, to] of passed)
    nodes.push(create(NodeProtoSchema, { opType: "Identity", input: [rename(names, from)], output: [to] }));
  return nodes.flatMap((inner) => inlineNode(inner, depth + 1, state, info));
}

function inlineNode(node: NodeProto, depth: number, state: Inlining, info: ValueInfoProto[]): NodeProto[] {
  const fn = state.functions.get(keyOf(node.domain, node.opType, node.overload));
  if (fn) return expand(node, fn, depth, state, info);
  const attribute = node.attribute.map((one) =>
    change(one, {
      ...(one.g && { g: inlineGraph(one.g, depth + 1, state) }),
      graphs: one.graphs.map((graph) => inlineGraph(graph, depth + 1, state)),
    }),
  );
  return [change(node, { attribute })];
}

function inlineGraph(graph: GraphProto, depth: number, state: Inlining): GraphProto {
  // Too deep a nesting is refused where the graph is read.
  if (depth > 3 * maxNesting) return graph;
  const info = [...graph.valueInfo];
  const node = graph.node.flatMap((one) => inlineNode(one, depth, state, info));
  return change(graph, { node, valueInfo: info });
}

/** Refuses functions without end, and those that would become too many nodes, before anything is made of them. */
function countNodes(graph: GraphProto, functions: Inlining["functions"]): void {
  const known = new Map<FunctionProto, number>();
  const open = new Set<FunctionProto>();
  const all = (nodes: readonly NodeProto[]): number => nodes.reduce((sum, node) => sum + count(node), 0);
  const count = (node: NodeProto): number => {
    const fn = functions.get(keyOf(node.domain, node.opType, node.overload));
    const inside = [...graphsOf(node)].reduce((sum, { node: nodes }) => sum + all(nodes), 0);
    if (fn === undefined) return 1 + inside;
    const before = known.get(fn);
    if (before !== undefined) return before + inside;
    if (open.has(fn) || open.size > maxNesting)
      fail("unsupported", `the function "${fn.name}" calls itself, or functions more than ${maxNesting} deep`);
    open.add(fn);
    const total = all(fn.node);
    open.delete(fn);
    known.set(fn, total);
    return total + inside;
  };
  if (all(graph.node) > mostNodes)
    fail("unsupported", `with its functions the model has more than ${mostNodes} nodes; export it without functions`);
}

function usedDomains(graph: GraphProto, found: Set<string>): Set<string> {
  for (const node of graph.node) {
    found.add(normalDomain(node.domain));
    for (const body of graphsOf(node)) usedDomains(body, found);
  }
  return found;
}

/**
 * The graph of a model with every call of a function replaced by what the function does, and the opsets that it then
 * needs. The names inside have the name of the call in front. Functions that nothing calls are gone.
 *
 * @throws SecateurError `unsupported` naming a function that calls itself, or is in another opset
 * of an operator domain than the model
 */
export function inlineFunctions(
  proto: ModelProto,
  graph: GraphProto,
  opsets: Opsets,
): { readonly graph: GraphProto; readonly opsets: Opsets } {
  if (proto.functions.length === 0) return { graph, opsets };
  const functions = new Map(proto.functions.map((fn) => [keyOf(fn.domain, fn.name, fn.overload), fn]));
  const state: Inlining = { functions, opsets: new Map(Object.entries(opsets)), taken: new Names() };
  countNodes(graph, functions);
  collectNames(graph, state.taken);
  const inlined = inlineGraph(graph, 0, state);
  const used = usedDomains(inlined, new Set([""]));
  const declared = new Set(proto.functions.map(({ domain }) => normalDomain(domain)));
  const kept = [...state.opsets].filter(([domain]) => used.has(domain) || !declared.has(domain));
  return { graph: inlined, opsets: Object.fromEntries(kept) };
}
