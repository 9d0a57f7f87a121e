/** The largest and the smallest of several inputs. */

import { tensor } from "../../graph/tensor.ts";
import { defineOp, given, type Op, type Sample } from "../core/define.ts";
import { broadcast, coupleBroadcast, elementsOf, foldElements, asFloat } from "../core/elementwise.ts";

const scalar = (value: number) => tensor("float32", [], [value]);
const samples: readonly Sample[] = [
  { inputs: given([2, 3, 4], [2, 3, 4]) },
  { inputs: [[3, 1], [2, 1, 4], []] },
  { inputs: [[2, 3, 4], [3, 1], scalar(0)] },
  { inputs: [[2, 3], scalar(0)] },
  { inputs: [scalar(-0.3), [2, 3]] },
  { inputs: [[2, 3], scalar(0.3)] },
  { inputs: [[5]] },
];

/** dX = dY / n where X is one of the n inputs that equal Y: ties share the gradient evenly. */
function extreme(name: string, pick: (...elements: number[]) => number): Op {
  return defineOp({
    name,
    since: 13,
    inputs: ["data_0..."],
    shape: ({ data_0 }) => broadcast(...data_0.map((x) => x.shape)),
    gradient(g, dy, { data_0 }, _attributes, y) {
      const wins = data_0.map((x) => asFloat(g, g.Equal(x, y), dy));
      const share = g.Div(dy, g.Sum(...wins));
      return { data_0: wins.map((win) => () => g.Mul(share, win)) };
    },
    channels: (c, { data_0 }, [Y]) => coupleBroadcast(c, data_0, Y!),
    // Numbers in code carry no unit: zero must win over them. They never learn.
    zero({ data_0 }) {
      const numbers = data_0.flatMap((x) => (x.shape.length === 0 ? (elementsOf(x) ?? []) : []));
      if (pick(0, ...numbers) !== 0) return undefined;
      return data_0.length - numbers.length === 1 ? "any" : "all";
    },
    fold: ({ data_0 }) => foldElements(data_0, data_0[0]!.dtype, pick),
    samples,
  });
}

/** https://onnx.ai/onnx/operators/onnx__Max.html */
export const Max = extreme("Max", Math.max);
/** https://onnx.ai/onnx/operators/onnx__Min.html */
export const Min = extreme("Min", Math.min);
