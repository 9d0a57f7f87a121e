/**
 * What becomes of nodes where groups go as a whole: those with nothing left vanish, and
 * what they leave behind are constants.
 */

import { GraphBuilder } from "../../graph/builder.ts";
import { fail, SecateurError } from "../../graph/error.ts";
import { describe, type Graph, type Node } from "../../graph/graph.ts";
import { isFloat, type Shape, type Tensor } from "../../graph/tensor.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import { alias, createEmitter } from "../../ops/emitter.ts";
import { removeDead } from "../../passes/dead.ts";
import { applicationOf, valueOf, type Application, type Traced } from "../../passes/trace.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { keyOf, listen, Union } from "../coupling/axis-references.ts";
import { KnownValues } from "./known-values.ts";

/** For each value and axis that loses something, the indices that go. */
export type Removed = ReadonlyMap<string, ReadonlyMap<number, ReadonlySet<number>>>;

export interface WholeGroupRemoval {
  readonly nodes: readonly Node[];
  /** Activations that no longer depend on an input, under their names: each broadcasts to what it was. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** What is to be read in the place of a value; sizes in the nodes still follow from the value itself. */
  readonly same: ReadonlyMap<string, string>;
}

/** Nodes that read other values in the place of some. */
export const withSame = (nodes: readonly Node[], same: WholeGroupRemoval["same"]): Node[] =>
  nodes.map((node) =>
    node.inputs.some((name) => same.has(name))
      ? { ...node, inputs: node.inputs.map((name) => same.get(name) ?? name) }
      : node,
  );

/** The values that lose all their elements. */
export function goneOf(traced: Traced, removed: Removed): Set<string> {
  const gone = new Set<string>();
  for (const [name, axes] of removed) {
    const { shape } = traced.types.get(name)!;
    if ([...axes].some(([axis, indices]) => indices.size === shape[axis])) gone.add(name);
  }
  return gone;
}

/**
 * The nodes that are left where values have no elements any more. They were zeros (the law), so that what
 * is computed of them alone is known ahead: the bias of a convolution, and what normalisation makes of
 * it, for every sample and place alike.
 *
 * @param graph the one that was traced
 * @throws SecateurError `unsupported` with the node that cannot do without
 */
export function removeWholeGroups(graph: Graph, analysis: Analysis, gone: ReadonlySet<string>): WholeGroupRemoval {
  return new WholeGroupRemover(graph, analysis, gone).run();
}

class WholeGroupRemover {
  readonly #graph: Graph;
  readonly #traced: Traced;
  readonly #known: KnownValues;
  readonly #alive: ReadonlySet<string>;
  readonly #gone: ReadonlySet<string>;
  readonly #same = new Map<string, string>();
  readonly #constants = new Map<string, Tensor>();
  readonly #nodes: Node[] = [];
  readonly #builder: GraphBuilder;
  readonly #g: Emit;

  constructor(graph: Graph, analysis: Analysis, gone: ReadonlySet<string>) {
    this.#graph = graph;
    this.#traced = analysis.traced;
    this.#known = new KnownValues(analysis, gone);
    this.#alive = analysis.activations;
    this.#gone = gone;
    this.#builder = new GraphBuilder(graph, analysis.traced.types);
    this.#builder.nodes.length = 0;
    this.#g = createEmitter(this.#builder);
  }

  run(): WholeGroupRemoval {
    for (const node of this.#graph.nodes) this.#visit(node);
    for (const { name } of this.#graph.outputs)
      if (this.#known.has(name)) fail("unsupported", `the output "${name}" would not depend on any input`);
    const { nodes } = removeDead({ ...this.#graph, nodes: withSame(this.#nodes, this.#same) });
    const lacking = nodes.find(({ inputs }) => inputs.some((name) => this.#gone.has(name)));
    if (lacking) fail("unsupported", `${describe(lacking)} has nothing left to compute with`);
    return { nodes: this.#nodes, constants: this.#constants, same: this.#same };
  }

  #visit(node: Node): void {
    const outputs = node.outputs.filter((name) => name !== "");
    const left = outputs.filter((name) => !this.#gone.has(name));
    if (outputs.length > 0 && left.length === 0) return;
    // What is computed of weights alone is no zero without them; whoever reads it vanishes
    // with it, or is told of in the end.
    const ofWeights = !outputs.some((name) => this.#alive.has(name));
    if (ofWeights || (left.length === outputs.length && !node.inputs.some((name) => this.#known.has(name)))) {
      this.#nodes.push(node);
      return;
    }
    const applied = applicationOf(this.#traced, node);
    if (applied === undefined) fail("unsupported", `${describe(node)} reads a constant, and its rules are not known`);
    this.#rewrite(applied, left);
  }

  #rewrite(applied: Application, left: readonly string[]): void {
    const { node, op } = applied;
    if (this.#staysZero(applied)) {
      for (const name of left) this.#known.zero.add(name);
      return;
    }
    const lacking = [...node.inputs, ...node.outputs].some((name) => this.#gone.has(name));
    if (op.wholeGroupRemoval === "rest" && lacking) return this.#takeRest(applied, left);
    if (
      typeof op.wholeGroupRemoval === "function" &&
      node.inputs.some((name) => this.#known.zero.has(name)) &&
      left.length === 1
    ) {
      const isZero = ({ name }: Value): boolean => this.#known.zero.has(name);
      const inputs = node.inputs.map((name) => this.#known.value(name));
      const result = op.wholeGroupRemoval(this.#g, inputs, applied.outputs[0]!, applied.attributes, isZero);
      if (result !== undefined && this.#put(left[0]!, result)) return;
    }
    if (lacking) fail("unsupported", `${describe(node)} has nothing left to compute with`);
    if (node.inputs.some((name) => this.#alive.has(name) && !this.#known.has(name))) this.#keep(applied);
    else this.#compute(applied);
  }

  /** Whether all outputs are zero because what they are computed from is. */
  #staysZero({ op, inputs, attributes }: Application): boolean {
    const floats = inputs.flatMap((input) => (input && isFloat(input.dtype) ? [input] : []));
    const rule = op.zero?.(inputs, attributes);
    const isList = op.inputs.at(-1)?.endsWith("...") === true;
    const seen = rule === "all" || isList ? floats : floats.filter(({ name }) => this.#alive.has(name));
    return rule !== undefined && seen.length > 0 && seen.every(({ name }) => this.#known.zero.has(name));
  }

  /** The node over the members of its lists that are left; one of one is that member. */
  #takeRest({ node }: Application, left: readonly string[]): void {
    const inputs = node.inputs.filter((name) => !this.#gone.has(name));
    const known = inputs.find((name) => this.#known.has(name));
    if (known !== undefined)
      fail("unsupported", `${describe(node)} needs "${known}" in full, and it would be constant`);
    const members = inputs.filter((name) => this.#alive.has(name));
    if (members.length === 1 && left.length === 1) return this.#equate(left[0]!, members[0]!);
    this.#nodes.push({ ...node, inputs, outputs: left });
  }

  /** Lets a value stand for another. */
  #equate(name: string, by: string): void {
    if (this.#graph.outputs.some((output) => output.name === name)) {
      alias(this.#builder, by, name);
      this.#nodes.push(this.#builder.nodes.pop()!);
    } else this.#same.set(name, this.#same.get(by) ?? by);
  }

  /** Whether the output can be what its operator says is left. */
  #put(name: string, result: Value | "zero"): boolean {
    if (result === "zero" || this.#known.zero.has(result.name)) {
      this.#known.zero.add(name);
      return true;
    }
    if (this.#alive.has(result.name) && !this.#known.has(result.name)) {
      const equal = this.#known.traces.every(
        ({ types }) => types.get(result.name)!.shape.join() === types.get(name)!.shape.join(),
      );
      if (equal) this.#equate(name, result.name);
      return equal;
    }
    const known = this.#known.evaluate(result, this.#builder);
    return known !== undefined && this.#known.set(name, known);
  }

  /** Whether a node treats all indices alike along the axes along which what it reads is alike. */
  #isAlike({ node }: Application): boolean {
    // At the larger batch: a batch of one is not told from other axes of size 1.
    const applied = applicationOf(this.#known.traces[1], node)!;
    const union = new Union();
    const counted: string[] = [];
    listen(applied, {
      same: (a, b) => !a.part && !b.part && union.join(a.key, b.key),
      inexact: (token) => counted.push(token.key),
    });
    const uneven = new Set(counted.map((key) => union.find(key)));
    return node.inputs.every(
      (value) =>
        !this.#known.has(value) ||
        this.#known.uniformAxes(value).every((axis) => {
          const key = union.find(keyOf({ value, axis }));
          return (
            !uneven.has(key) &&
            applied.outputs.every(({ name, shape }) =>
              shape.some((_, to) => union.find(keyOf({ value: name, axis: to })) === key),
            )
          );
        }),
    );
  }

  /** A node that reads constants beside what depends on an input: it has to broadcast them. */
  #keep(applied: Application): void {
    const { node, op, attributes } = applied;
    const known = [...new Set(node.inputs)].filter((name) => this.#known.has(name));
    const fits = this.#known.traces.every((batch) => {
      const inputs = node.inputs.map((name) => {
        const value = valueOf(batch, name);
        return value && this.#known.has(name) ? { ...value, shape: this.#known.shapeOf(name) } : value;
      });
      const shapes = shapesOf(() => op.shape(inputs, attributes, node.outputs.length));
      return shapes?.every((shape, i) => {
        const name = node.outputs[i]!;
        return name === "" || shape.join() === batch.types.get(name)!.shape.join();
      });
    });
    if (!fits || !this.#isAlike(applied))
      fail("unsupported", `${describe(node)} needs "${known[0]}" in full, and it would be constant`);
    for (const name of known) this.#constants.set(name, this.#known.constant(name));
    this.#nodes.push(node);
  }

  /** A node that reads constants alone. */
  #compute(applied: Application): void {
    const { node, op, attributes } = applied;
    const inputs = node.inputs.map((name) => this.#known.valueOrZero(name));
    const count = node.outputs.length;
    const shapes = this.#isAlike(applied) ? shapesOf(() => op.shape(inputs, attributes, count)) : undefined;
    const dtypes = op.dtype(inputs, attributes, count);
    const values =
      shapes &&
      op.fold?.(
        inputs,
        attributes,
        node.outputs.map((name, i) => ({ name, dtype: dtypes[i]!, shape: shapes[i]! })),
      );
    node.outputs.forEach((name, i) => {
      const value = values?.[i];
      if (name !== "" && (value === undefined || !this.#known.set(name, value)))
        fail("unsupported", `what ${describe(node)} makes of a constant is not known ahead`);
    });
  }
}

/** Shapes, where the inputs can be read together. */
function shapesOf(infer: () => readonly Shape[]): readonly Shape[] | undefined {
  try {
    return infer();
  } catch (error) {
    if (error instanceof SecateurError) return undefined;
    throw error;
  }
}
