/** Growing a graph: new nodes and constants under names that collide with none. */

import { fail } from "./error.ts";
import type { Attributes, Graph, Node, Type, ValueInfo } from "./graph.ts";
import { type Names, namesOf } from "./names.ts";
import { bytesOf, sizeOf, type Tensor } from "./tensor.ts";

/**
 * A graph under construction. It starts as a copy of `graph` and of the types known of its values;
 * what is appended stands behind the nodes there are.
 */
export class GraphBuilder {
  readonly nodes: Node[];
  readonly initializers: Map<string, Tensor>;
  readonly types: Map<string, Type>;
  /** Values that nodes compute and that are known all the same. */
  readonly known: ReadonlyMap<string, Tensor>;
  readonly inputs: ValueInfo[];
  readonly #graph: Graph;
  readonly #taken: Names;
  readonly #constants = new Map<string, string>();

  constructor(graph: Graph, types: ReadonlyMap<string, Type>, known: ReadonlyMap<string, Tensor> = new Map()) {
    this.known = known;
    this.#graph = graph;
    this.nodes = [...graph.nodes];
    this.initializers = new Map(graph.initializers);
    this.inputs = [...graph.inputs];
    this.types = new Map(types);
    this.#taken = namesOf(graph);
  }

  /** A graph of which nothing is there yet. */
  static empty(name = ""): GraphBuilder {
    const graph = { name, nodes: [], inputs: [], outputs: [], initializers: new Map(), info: new Map() };
    return new GraphBuilder(graph, new Map());
  }

  /** A name that is free, `base` itself where it can be. */
  fresh(base: string): string {
    return this.#taken.fresh(base);
  }

  /** A constant; equal small ones of the same type are one. */
  constant(value: Tensor, base = "constant"): string {
    const small = value.dtype !== "string" && sizeOf(value.shape) <= 64;
    const key = small ? `${value.dtype}[${value.shape.join()}]${bytesOf(value).join()}` : "";
    const known = small ? this.#constants.get(key) : undefined;
    if (known !== undefined) return known;
    const name = this.fresh(base);
    this.initializers.set(name, value);
    this.types.set(name, { dtype: value.dtype, shape: value.shape });
    if (small) this.#constants.set(key, name);
    return name;
  }

  /** A further input of the graph; with `exact` the name must be free. */
  input(base: string, type: Type, exact = false): string {
    const name = exact ? this.claim(base) : this.fresh(base);
    this.inputs.push({ name, dtype: type.dtype, shape: type.shape });
    this.types.set(name, type);
    return name;
  }

  /** Appends a node with outputs of the given types; returns their names, made from `bases`. */
  append(
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    types: readonly Type[],
    { bases, name = "", domain = "" }: { bases?: readonly string[] | undefined; name?: string; domain?: string } = {},
  ): string[] {
    const outputs = types.map((type, i) => {
      const output = this.fresh(bases?.[i] ?? op.toLowerCase());
      this.types.set(output, type);
      return output;
    });
    this.nodes.push({ op, domain, name, inputs, outputs, attributes });
    return outputs;
  }

  /** Takes a name that a value must bear; an error where the graph has it already. */
  claim(name: string): string {
    if (this.#taken.has(name)) fail("bad-model", `the model has a value named "${name}" already; rename it`);
    this.#taken.add(name);
    return name;
  }

  /** The graph so far, every size fixed, with the given values as its outputs. */
  finish(outputs: readonly string[]): Graph {
    return {
      ...this.#graph,
      nodes: this.nodes,
      inputs: this.inputs.map((value) => ({
        ...value,
        shape: this.types.get(value.name)?.shape ?? value.shape,
      })) as ValueInfo[],
      initializers: this.initializers,
      outputs: outputs.map((name) => {
        const type = this.types.get(name) ?? fail("internal", `no type for the output "${name}"`);
        return { name, dtype: type.dtype, shape: type.shape };
      }),
    };
  }
}
