/** Sizes are asked of the model's inputs, whose axes stay whole, and not of values whose axes may be cut. */

import type { Attributes, Graph, Node } from "../graph/graph.ts";
import type { Names } from "../graph/names.ts";
import { int64s, toNumbers, type Tensor } from "../graph/tensor.ts";
import { beside, intOf } from "../onnx/upgrade-step.ts";
import { openAxes } from "./dims.ts";
import type { Traced } from "./trace.ts";

/** An open axis of an input, with its size in every trace. */
interface Term {
  readonly input: string;
  readonly axis: number;
  readonly sizes: readonly number[];
}

/** A product of sizes and a factor. */
interface Product {
  readonly factor: number;
  readonly terms: readonly Term[];
}

/**
 * Rewrites nodes that compute the batch size, or a multiple of it, as one integer, and shapes that are asked of
 * computed values: exporters ask sizes of whatever value is at hand. Of a shape, what is fixed is a constant then,
 * products of open sizes are asked of the inputs, and the value is asked for the axes that are left.
 *
 * @param traces at sizes that differ in each open axis. A number that is the same product of
 * sizes in all of them is taken for it.
 * @param initializers gets the factors.
 * @returns what stands for a node; `undefined` where it stays as it is
 */
export function sizeAsker(
  graph: Graph,
  traces: readonly Traced[],
  initializers: Map<string, Tensor>,
  taken: Names,
): (node: Node) => readonly Node[] | undefined {
  const write = createWriter(initializers, taken);
  const terms = termsOf(graph, traces);
  const batch = terms.find(({ axis }) => axis === 0);
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  /** Values computed of the input's sizes alone, which need no rewriting. */
  const asked = new Set<string>();
  const isAsked = ({ op, domain, inputs: read }: Node): boolean =>
    (op === "Shape" && domain === "" && inputs.has(read[0]!)) ||
    (read.some((name) => asked.has(name)) && read.every((name) => asked.has(name) || initializers.has(name)));

  return (node) => {
    const [output] = node.outputs;
    if (output === undefined || node.outputs.length > 1) return undefined;
    if (isAsked(node)) {
      asked.add(output);
      return undefined;
    }
    const found = traces.map(({ constants }) => constants.get(output));
    const product = batch && productOf(found.map(integerOf), [batch]);
    if (product) {
      asked.add(output);
      return write.product(product, output, traces[0]!.types.get(output)!.shape.length === 0);
    }
    const lists = found.flatMap((one) => (one?.dtype === "int64" ? [toNumbers(one)] : []));
    if (node.op !== "Shape" || node.domain !== "" || lists.length < traces.length) return undefined;
    return write.shape(node, output, lists, terms);
  };
}

/**
 * The open axes that sizes can be asked of, each symbol once. The batch is none where
 * several inputs have one that may differ.
 */
function termsOf(graph: Graph, traces: readonly Traced[]): Term[] {
  const first = graph.inputs.flatMap(({ shape }) => (typeof shape?.[0] === "string" ? [shape[0]] : []));
  const oneBatch = first.length === 1 || (new Set(first).size === 1 && first[0] !== "");
  const found = new Map<string, Term>();
  for (const { input, axis, symbol } of openAxes(graph)) {
    if (found.has(symbol) || (axis === 0 && !oneBatch)) continue;
    const sizes = traces.map(({ types }) => types.get(input.name)!.shape[axis]!);
    if (sizes.some((size) => size !== sizes[0])) found.set(symbol, { input: input.name, axis, sizes });
  }
  return [...found.values()];
}

/** One size, or the product of two, times a whole number, whichever a list of numbers is in all traces. */
function productOf(values: readonly (number | undefined)[], terms: readonly Term[]): Product | undefined {
  const pairs = terms.flatMap((one, i) => terms.slice(i + 1).map((two) => [one, two]));
  for (const chosen of [...terms.map((one) => [one]), ...pairs]) {
    const factors = values.map((value, i) => chosen.reduce((rest, { sizes }) => rest / sizes[i]!, value ?? Number.NaN));
    const [factor = 0] = factors;
    if (factor >= 1 && Number.isInteger(factor) && factors.every((one) => one === factor))
      return { factor, terms: chosen };
  }
  return undefined;
}

type Step = Pick<Node, "op" | "inputs" | "attributes">;

const shapeOf = (value: string, start: number, end: number): Step => ({
  op: "Shape",
  inputs: [value],
  attributes: { start: intOf(start), end: intOf(end) },
});

function createWriter(initializers: Map<string, Tensor>, taken: Names) {
  const named = ({ op, inputs, attributes }: Step, output: string): Node => beside(op, inputs, [output], attributes);

  /** A product as a list of one, or as a scalar. */
  function product({ factor, terms }: Product, output: string, scalar: boolean): Node[] {
    const nodes: Node[] = [];
    const asked = terms.map(({ input, axis }) => shapeOf(input, axis, axis + 1));
    const steps = asked.slice(0, 1);
    const none: Attributes = {};
    for (const other of asked.slice(1)) {
      const name = taken.fresh(`${output}_batch`);
      nodes.push(named(other, name));
      steps.push({ op: "Mul", inputs: [name], attributes: none });
    }
    if (factor > 1) {
      const name = taken.fresh(`${output}_factor`);
      initializers.set(name, int64s([factor]));
      steps.push({ op: "Mul", inputs: [name], attributes: none });
    }
    if (scalar) steps.push({ op: "Squeeze", inputs: [], attributes: none });
    let last: string | undefined;
    steps.forEach((step, i) => {
      const own = i === steps.length - 1 ? output : taken.fresh(`${output}_batch`);
      nodes.push(named({ ...step, inputs: last === undefined ? step.inputs : [last, ...step.inputs] }, own));
      last = own;
    });
    return nodes;
  }

  /** A shape entry by entry; `undefined` where nothing is gained. */
  function shape(
    node: Node,
    output: string,
    lists: readonly (readonly number[])[],
    terms: readonly Term[],
  ): Node[] | undefined {
    const [value = ""] = node.inputs;
    const start = Number(node.attributes["start"]?.value ?? 0);
    // Counted from the end, or cut off there, it is left as it is.
    if (start < 0) return undefined;
    const nodes: Node[] = [];
    const parts: string[] = [];
    const entries = lists[0]!.map((_, i) => lists.map((list) => list[i]!));
    const isFixed = (entry: readonly number[]): boolean => entry.every((size) => size === entry[0]);
    const products = entries.map((entry) => (isFixed(entry) ? undefined : productOf(entry, terms)));
    const isLeft = (i: number): boolean => !isFixed(entries[i]!) && products[i] === undefined;
    if (entries.every((_, i) => isLeft(i))) return undefined;
    for (let i = 0; i < entries.length; i++) {
      const known = products[i];
      const name = entries.length === 1 ? output : taken.fresh(`${output}_size`);
      parts.push(name);
      if (known) nodes.push(...product(known, name, false));
      else if (isLeft(i)) {
        const from = i;
        while (i + 1 < entries.length && isLeft(i + 1)) i++;
        nodes.push(named(shapeOf(value, start + from, start + i + 1), name));
      } else {
        const from = i;
        while (i + 1 < entries.length && isFixed(entries[i + 1]!)) i++;
        initializers.set(name, int64s(entries.slice(from, i + 1).map(([size]) => size!)));
      }
    }
    if (entries.length > 1)
      nodes.push(named({ op: "Concat", inputs: parts, attributes: { axis: { type: "int", value: 0 } } }, output));
    return nodes;
  }

  return { product, shape };
}

/** The value of a tensor that is one int64. */
const integerOf = (value: Tensor | undefined): number | undefined =>
  value?.dtype === "int64" && value.shape.length < 2 && value.data.length === 1 ? toNumbers(value)[0] : undefined;
