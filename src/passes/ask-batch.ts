/** The size of the batch is asked of the model's input, whose axes stay whole, and not of values whose axes may be cut. */

import { freshName, type Graph, type Node } from "../graph/graph.ts";
import { int64s, toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Traced } from "./trace.ts";

/**
 * Rewrites nodes that compute the batch size, or a multiple of it, as one integer: exporters ask it of whatever value is at hand.
 *
 * @param a and `b` are traces at two batch sizes, in which a multiple of the batch is the same multiple
 * @param initializers gets the factors
 * @returns what stands for a node; `undefined` where it stays as it is
 */
export function batchAsker(
  graph: Graph,
  a: Traced,
  b: Traced,
  initializers: Map<string, Tensor>,
  taken: Set<string>,
): (node: Node) => readonly Node[] | undefined {
  const input = batchInput(graph);
  if (input === undefined) return () => undefined;
  const batches = [a, b].map(({ types }) => types.get(input)!.shape[0]!);
  /** Values computed of the input's sizes alone, which need no rewriting. */
  const asked = new Set<string>();
  const isAsked = ({ op, domain, inputs }: Node): boolean =>
    (op === "Shape" && domain === "" && inputs[0] === input) ||
    (inputs.some((name) => asked.has(name)) && inputs.every((name) => asked.has(name) || initializers.has(name)));

  return (node) => {
    const [output] = node.outputs;
    if (output === undefined || node.outputs.length > 1) return undefined;
    if (isAsked(node)) {
      asked.add(output);
      return undefined;
    }
    const sizes = [a, b].map(({ constants }) => integerOf(constants.get(output)));
    const [factor, other] = sizes.map((size, i) => (size ?? Number.NaN) / batches[i]!) as [number, number];
    if (factor !== other || factor < 1 || !Number.isInteger(factor)) return undefined;
    asked.add(output);
    const steps: { op: string; inputs: string[]; attributes: Node["attributes"] }[] = [
      {
        op: "Shape",
        inputs: [input],
        attributes: { start: { type: "int", value: 0 }, end: { type: "int", value: 1 } },
      },
    ];
    if (factor > 1) {
      const name = freshName(taken, `${output}_factor`);
      initializers.set(name, int64s([factor]));
      steps.push({ op: "Mul", inputs: [name], attributes: {} });
    }
    if (a.types.get(output)!.shape.length === 0) steps.push({ op: "Squeeze", inputs: [], attributes: {} });
    let last: string | undefined;
    return steps.map(({ op, inputs, attributes }, i) => {
      const own = i === steps.length - 1 ? output : freshName(taken, `${output}_batch`);
      const made = {
        op,
        domain: "",
        name: "",
        inputs: last === undefined ? inputs : [last, ...inputs],
        outputs: [own],
        attributes,
      };
      last = own;
      return made;
    });
  };
}

/** The input that tells the batch; `undefined` where several that may differ are open. */
function batchInput({ inputs }: Graph): string | undefined {
  const open = inputs.filter(({ shape }) => typeof shape?.[0] === "string");
  const symbols = new Set(open.map(({ shape }) => shape![0]));
  return open.length === 1 || (symbols.size === 1 && !symbols.has("")) ? open[0]?.name : undefined;
}

/** The value of a tensor that is one int64. */
const integerOf = (value: Tensor | undefined): number | undefined =>
  value?.dtype === "int64" && value.shape.length < 2 && value.data.length === 1 ? toNumbers(value)[0] : undefined;
