/** A model as the page draws it: its nodes, and the groups of units that these compute. */

import type { Model } from "secateur";
import { macsByNode, parametersIn, type Analysis, type Attribute, type Node } from "secateur/graph";
import type { NetworkView, NodeView, ValueView, Vertex, VertexKind } from "./calls.ts";

type Draft = { -readonly [Key in keyof Vertex]: Vertex[Key] } & { nodes: number[] };

export function describe(name: string, bytes: number, model: Model, analysis: Analysis): NetworkView {
  const { graph, traced } = analysis;
  const owners = new Owners(analysis);
  const macs = macsByNode(traced);
  const isParameter = parametersIn(graph);
  const reasons = new Map(traced.refusals.map(({ node, reason }) => [node, reason]));
  const counted = new Set<string>();
  const nodes = graph.nodes.map((node, i): Omit<NodeView, "vertex"> => {
    const vertex = owners.of(node);
    const own = node.inputs.filter((input) => !counted.has(input));
    for (const input of own) counted.add(input);
    const params = own.reduce((sum, input) => {
      const value = graph.initializers.get(input);
      return value && isParameter(input, value) ? sum + value.shape.reduce((a, b) => a * b, 1) : sum;
    }, 0);
    const refused = reasons.get(node);
    const view = {
      op: node.domain === "" ? node.op : `${node.domain}.${node.op}`,
      name: node.name,
      inputs: node.inputs,
      outputs: node.outputs,
      attributes: Object.entries(node.attributes).map(([key, value]) => [key, shown(value)] as const),
      macs: macs.get(node) ?? 0,
      params,
      ...(refused !== undefined && { refused }),
    };
    vertex.nodes.push(i);
    vertex.macs += view.macs;
    vertex.params += params;
    return view;
  });
  const value = ({ name, dtype, shape }: Model["graph"]["inputs"][number]): ValueView => ({
    name,
    dtype,
    shape: shape ?? [],
  });
  const drawn = owners.drawn();
  return {
    name,
    bytes,
    opset: model.fileOpset ?? model.opsets[""] ?? 0,
    costs: analysis.costs,
    inputs: graph.inputs.map(value),
    outputs: graph.outputs.map(value),
    nodes: nodes.map((node, i) => ({ ...node, vertex: drawn.ofNode[i]! })),
    vertices: drawn.vertices,
    edges: drawn.edges,
    refused: traced.refusals.map(({ node, reason }) => ({ node: node.name || node.op, reason })),
    notFinite: [...graph.initializers].flatMap(([key, { dtype, data }]) =>
      dtype === "float32" && (data as Float32Array).some((x) => !Number.isFinite(x)) ? [key] : [],
    ),
  };
}

/** Which vertex a value lies in: that of the group on one of its axes, else that of units that cannot go. */
class Owners {
  readonly #analysis: Analysis;
  readonly #vertices: Draft[] = [];
  readonly #ofValue = new Map<string, Draft>();
  readonly #ofNode = new Map<Node, Draft>();
  #rest: Draft | undefined;

  constructor(analysis: Analysis) {
    this.#analysis = analysis;
    for (const { name, dtype, shape } of analysis.graph.inputs)
      this.#ofValue.set(name, this.#add("input", name, 0, { shape: `${dtype} [${(shape ?? []).join(", ")}]` }));
    for (const group of analysis.groups)
      this.#claim(
        this.#add("group", group.name, group.units.length, { axes: group.axes.map(inWords), reasons: group.inexact }),
        group.axes,
      );
    for (const group of analysis.frozen) {
      const found = { axes: group.axes.map(inWords), reasons: group.reasons.slice(0, 3) };
      if (group.axes.some(({ value }) => !this.#ofValue.has(value)))
        this.#claim(this.#add("frozen", group.name, group.units, found), group.axes);
    }
  }

  #add(
    kind: VertexKind,
    name: string,
    units: number,
    more: Partial<Pick<Vertex, "axes" | "reasons" | "shape">> = {},
  ): Draft {
    const id = this.#vertices.length;
    const vertex: Draft = { id, kind, name, units, macs: 0, params: 0, nodes: [], axes: [], reasons: [], ...more };
    this.#vertices.push(vertex);
    return vertex;
  }

  #claim(vertex: Draft, axes: readonly { readonly value: string }[]): void {
    for (const { value } of axes) if (!this.#ofValue.has(value)) this.#ofValue.set(value, vertex);
  }

  /** The vertex of what a node makes; what makes no units goes with what it reads. */
  of(node: Node): Draft {
    const found =
      this.#first(node.outputs) ?? this.#first(node.inputs) ?? (this.#rest ??= this.#add("rest", "all else", 0));
    const own = found.kind === "input" ? (this.#rest ??= this.#add("rest", "all else", 0)) : found;
    this.#ofNode.set(node, own);
    for (const output of node.outputs) if (!this.#ofValue.has(output)) this.#ofValue.set(output, own);
    return own;
  }

  #first(values: readonly string[]): Draft | undefined {
    for (const value of values) {
      const found = this.#analysis.graph.initializers.has(value) ? undefined : this.#ofValue.get(value);
      if (found) return found;
    }
    return undefined;
  }

  /** The vertices that have something in them, numbered anew, and what flows between them. */
  drawn(): Pick<NetworkView, "vertices" | "edges"> & { readonly ofNode: readonly number[] } {
    const { graph, producers } = this.#analysis;
    const pairs = new Set<string>();
    const join = (from: Draft | undefined, to: Draft): void => {
      if (from && from !== to) pairs.add(`${from.id} ${to.id}`);
    };
    for (const node of graph.nodes)
      for (const input of node.inputs) {
        const producer = producers.get(input);
        const from = producer ? this.#ofNode.get(producer) : this.#inputOf(input);
        join(from, this.#ofNode.get(node)!);
      }
    for (const { name, dtype, shape } of graph.outputs) {
      const producer = producers.get(name);
      const output = this.#add("output", name, 0, { shape: `${dtype} [${(shape ?? []).join(", ")}]` });
      join(producer ? this.#ofNode.get(producer) : this.#inputOf(name), output);
    }
    const isShown = ({ kind, nodes: own }: Draft): boolean => kind === "input" || kind === "output" || own.length > 0;
    const left = this.#vertices.filter(isShown);
    const number = new Map(left.map(({ id }, i) => [id, i]));
    return {
      ofNode: graph.nodes.map((node) => number.get(this.#ofNode.get(node)!.id)!),
      vertices: left.map((vertex, id) => ({ ...vertex, id })),
      edges: [...pairs].map((pair) => {
        const [from, to] = pair.split(" ").map((id) => number.get(Number(id))!);
        return [from!, to!] as const;
      }),
    };
  }

  #inputOf(value: string): Draft | undefined {
    const found = this.#ofValue.get(value);
    return found?.kind === "input" ? found : undefined;
  }
}

const inWords = ({ value, axis }: { readonly value: string; readonly axis: number }): string => `${value}:${axis}`;

/** Lists longer than this are cut short. */
const mostShown = 12;

function shown(attribute: Attribute): string {
  const { type, value } = attribute;
  if (type === "tensor") return `${value.dtype} [${value.shape.join(", ")}]`;
  if (type === "graph" || type === "graphs") return "a graph";
  if (!Array.isArray(value)) return String(value);
  const list = (value as readonly (number | string)[]).slice(0, mostShown).join(", ");
  return `[${list}${value.length > mostShown ? ", …" : ""}]`;
}
