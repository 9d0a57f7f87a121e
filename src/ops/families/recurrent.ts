/** Recurrent layers. onnxruntime runs them whole; they are differentiated through the steps that X has. */

import { fail } from "../../graph/error.ts";
import { sizeOf, tensor, type Shape, type Tensor } from "../../graph/tensor.ts";
import type { Channels } from "../core/channels.ts";
import { defineOp, float, floats, given, int, string, strings, type Remaining, type Value } from "../core/define.ts";
import {
  activationsOf,
  added,
  perDirection,
  recurred,
  repeated,
  split,
  unroll,
  type Recurrence,
} from "../gradients/unroll.ts";

const attributes = {
  activation_alpha: floats(),
  activation_beta: floats(),
  activations: strings(),
  clip: float(),
  direction: string("forward"),
  hidden_size: int(),
  layout: int(0),
};

/** Y [T, D, N, H], and the last states [D, N, H]. */
function shapesOf(inputs: Recurrence, layout: number, gates: number, initial_c?: Value): Shape[] {
  const { X, W, R, initial_h } = inputs;
  if (layout !== 0) fail("unsupported", `layout ${layout}, the batch in front, has no kernel in onnxruntime`);
  const [steps, batch, width] = X.shape;
  const [directions, rows, columns] = W.shape;
  const hidden = R.shape[2];
  if (
    X.shape.length !== 3 ||
    hidden === undefined ||
    columns !== width ||
    rows !== gates * hidden ||
    R.shape[1] !== rows
  )
    fail(
      "bad-model",
      `weights [${W.shape.join(", ")}] and [${R.shape.join(", ")}] do not fit an input [${X.shape.join(", ")}]`,
    );
  const state = [directions!, batch!, hidden];
  for (const initial of [initial_h, initial_c])
    if (initial && initial.shape.join() !== state.join())
      fail("bad-model", `an initial state [${initial.shape.join(", ")}] is not [${state.join(", ")}]`);
  return [[steps!, ...state], state, state];
}

/**
 * Unit j is row j of every gate in W, R, B and P, column j of R, and j on the last axis of all states; both directions
 * have the same units. Steps and directions stay whole.
 */
function coupleUnits(
  c: Channels,
  { X, W, R, B, sequence_lens, initial_h }: Recurrence,
  outputs: readonly Value[],
  initial_c?: Value,
  P?: Value,
): void {
  const present = (values: readonly (Value | undefined)[]): Value[] => values.filter((v) => v !== undefined);
  const states = present([initial_h, initial_c, ...outputs]);
  c.same(
    c.axis(R, 2),
    ...present([W, R, B, P]).map((v) => c.axis(v, 1).digit(R.shape[2]!, 1)),
    ...states.map((v) => c.axis(v, -1)),
  );
  c.same(c.axis(X, 2), c.axis(W, 2));
  c.same(c.axis(X, 1), ...present([sequence_lens]).map((v) => c.axis(v, 0)), ...states.map((v) => c.axis(v, -2)));
}

/** What all three say. */
const recurrent = {
  since: 22,
  gradient: "decompose",
  maskInside: ({ R }: Recurrence) => [[R, 2] as const],
  resize: (remaining: Remaining, { R }: Recurrence) => ({
    attributes: { hidden_size: remaining.axis(R, 2).length },
  }),
  // Each step multiplies X by W and the state by R.
  macs: ({ X, W, R }: Recurrence) => X.shape[0]! * X.shape[1]! * (sizeOf(W.shape) + sizeOf(R.shape)),
} as const;

const lengths = (...values: number[]): Tensor => tensor("int32", [values.length], values);

const itself = (activation: Value): Value => activation;

/** https://onnx.ai/onnx/operators/onnx__RNN.html — Hₜ = f(Xₜ Wᵀ + Wb + Hₜ₋₁ Rᵀ + Rb) */
export const RNN = defineOp({
  name: "RNN",
  ...recurrent,
  inputs: ["X", "W", "R", "B?", "sequence_lens?", "initial_h?"],
  outputs: ["Y", "Y_h"],
  attributes,
  shape: (inputs, { layout }) => shapesOf(inputs, layout, 1).slice(0, 2),
  decompose(g, inputs, { direction, activations, clip }, outputs, inside = itself) {
    const { Y, last } = unroll(g, inputs, direction, [inputs.initial_h], ({ index, R, Wb, Rb }) => {
      const [f] = activationsOf(g, activations, ["Tanh"], clip, index);
      return { bias: added(g, Wb, Rb), step: (x, [h]) => [f!(recurred(g, h && inside(h), R, x))] };
    });
    return [Y, ...last].slice(0, outputs);
  },
  channels: (c, inputs, outputs) => coupleUnits(c, inputs, outputs),
  samples: [
    { inputs: given([3, 2, 4], [1, 3, 4], [1, 3, 3]), attributes: { hidden_size: 3 }, outputs: 2 },
    {
      inputs: [[3, 2, 2], [2, 4, 2], [2, 4, 4], [2, 8], null, [2, 2, 4]],
      attributes: { hidden_size: 4, direction: "bidirectional", activations: ["Relu", "Tanh"] },
      outputs: 2,
    },
    {
      inputs: [[4, 3, 2], [1, 3, 2], [1, 3, 3], [1, 6], lengths(2, 4, 0), [1, 3, 3]],
      attributes: { hidden_size: 3, direction: "reverse", clip: 0.5 },
      outputs: 2,
    },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__GRU.html — z = f(X Wzᵀ + H Rzᵀ), r = f(X Wrᵀ + H Rrᵀ), Hₜ = (1 - z) n + z H with
 * n = g(X Whᵀ + (r H) Rhᵀ), or with linear_before_reset n = g(X Whᵀ + r (H Rhᵀ + Rbh)); each product with its bias
 */
export const GRU = defineOp({
  name: "GRU",
  ...recurrent,
  inputs: ["X", "W", "R", "B?", "sequence_lens?", "initial_h?"],
  outputs: ["Y", "Y_h"],
  attributes: { ...attributes, linear_before_reset: int(0) },
  shape: (inputs, { layout }) => shapesOf(inputs, layout, 3).slice(0, 2),
  decompose(g, inputs, { direction, activations, clip, linear_before_reset }, outputs, inside = itself) {
    const hidden = inputs.R.shape[2]!;
    const sizes = [2 * hidden, hidden];
    const { Y, last } = unroll(g, inputs, direction, [inputs.initial_h], ({ index, R, Wb, Rb }) => {
      const [f, candidate] = activationsOf(g, activations, ["Sigmoid", "Tanh"], clip, index);
      const mixed = (z: Value, n: Value, h: Value | undefined) =>
        h ? g.Add(n, g.Mul(z, g.Sub(h, n))) : g.Sub(n, g.Mul(z, n));
      if (linear_before_reset)
        return {
          bias: Wb,
          step: (x, [h]) => {
            const fed = h ? g.Gemm(inside(h), R, Rb, { transB: 1 }) : Rb;
            const [gates, own] = split(g, x, sizes);
            const [gatesFed, ownFed] = fed ? split(g, fed, sizes) : [];
            const [z, r] = split(g, f!(added(g, gates, gatesFed)!), [hidden, hidden]);
            return [mixed(z!, candidate!(added(g, own, ownFed && g.Mul(r!, ownFed))!), h)];
          },
        };
      const [Rgates, Rown] = split(g, R, sizes, 0);
      return {
        bias: added(g, Wb, Rb),
        step: (x, [h]) => {
          const [gates, own] = split(g, x, sizes);
          const [z, r] = split(g, f!(recurred(g, h && inside(h), Rgates!, gates!)), [hidden, hidden]);
          return [mixed(z!, candidate!(recurred(g, h && inside(g.Mul(r!, h)), Rown!, own!)), h)];
        },
      };
    });
    return [Y, ...last].slice(0, outputs);
  },
  channels: (c, inputs, outputs) => coupleUnits(c, inputs, outputs),
  samples: [
    { inputs: given([3, 2, 4], [1, 9, 4], [1, 9, 3]), attributes: { hidden_size: 3 }, outputs: 2 },
    {
      inputs: [[3, 2, 2], [2, 9, 2], [2, 9, 3], [2, 18], null, [2, 2, 3]],
      attributes: { hidden_size: 3, direction: "bidirectional", linear_before_reset: 1 },
      outputs: 2,
    },
    {
      inputs: [[3, 2, 2], [2, 9, 2], [2, 9, 3], [2, 18], null, [2, 2, 3]],
      attributes: {
        hidden_size: 3,
        direction: "bidirectional",
        activations: ["Sigmoid", "Tanh", "Tanh", "Sigmoid"],
      },
      outputs: 2,
    },
    {
      inputs: [[4, 3, 2], [1, 6, 2], [1, 6, 2], [1, 12], lengths(2, 0, 3), [1, 3, 2]],
      attributes: { hidden_size: 2, direction: "reverse", linear_before_reset: 1, clip: 0.65 },
      outputs: 2,
    },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__LSTM.html — with a = X Wᵀ + H Rᵀ + Wb + Rb in the parts i, o, f, c: i = f(aᵢ +
 * Pᵢ C), f = f(a_f + P_f C), Cₜ = f C + i g(a_c), o = f(aₒ + Pₒ Cₜ), Hₜ = o h(Cₜ); with input_forget f = 1 - i
 */
export const LSTM = defineOp({
  name: "LSTM",
  ...recurrent,
  inputs: ["X", "W", "R", "B?", "sequence_lens?", "initial_h?", "initial_c?", "P?"],
  outputs: ["Y", "Y_h", "Y_c"],
  attributes: { ...attributes, input_forget: int(0) },
  shape: (inputs, { layout }) => shapesOf(inputs, layout, 4, inputs.initial_c),
  decompose(g, inputs, { direction, activations, clip, input_forget }, outputs, inside = itself) {
    const { R, P, initial_h, initial_c } = inputs;
    const [directions, , hidden] = R.shape as [number, number, number];
    const peepholes = perDirection(g, P, directions);
    const { Y, last } = unroll(g, inputs, direction, [initial_h, initial_c], ({ index, R: own, Wb, Rb }) => {
      const [f, cell, out] = activationsOf(g, activations, ["Sigmoid", "Tanh", "Tanh"], clip, index);
      const peephole = peepholes[index];
      const [Pi, Po, Pf] = peephole ? split(g, peephole, repeated(3, hidden)) : [];
      const seen = (a: Value, weight: Value | undefined, c: Value | undefined) =>
        weight && c ? g.Add(a, g.Mul(weight, c)) : a;
      return {
        bias: added(g, Wb, Rb),
        step: (x, [h, c]) => {
          const [ai, ao, af, ac] = split(g, recurred(g, h && inside(h), own, x), repeated(4, hidden)) as Value[];
          const i = f!(seen(ai!, Pi, c));
          const fresh = g.Mul(i, cell!(ac!));
          const kept = c && g.Mul(c, input_forget ? g.Sub(g.scalar(1, i), i) : f!(seen(af!, Pf, c)));
          const now = added(g, kept, fresh)!;
          return [g.Mul(f!(seen(ao!, Po, now)), out!(now)), now];
        },
      };
    });
    return [Y, ...last].slice(0, outputs);
  },
  channels: (c, inputs, outputs) => coupleUnits(c, inputs, outputs, inputs.initial_c, inputs.P),
  samples: [
    { inputs: given([3, 2, 4], [1, 12, 4], [1, 12, 3]), attributes: { hidden_size: 3 }, outputs: 3 },
    {
      inputs: [[3, 2, 2], [2, 12, 2], [2, 12, 3], [2, 24], null, [2, 2, 3], [2, 2, 3]],
      attributes: { hidden_size: 3, direction: "bidirectional" },
      outputs: 3,
    },
    {
      inputs: [[3, 2, 2], [1, 8, 2], [1, 8, 2], [1, 16], null, [1, 2, 2], [1, 2, 2], [1, 6]],
      attributes: { hidden_size: 2, activations: ["Sigmoid", "Relu", "Tanh"] },
      outputs: 3,
    },
    {
      inputs: [[4, 3, 2], [1, 8, 2], [1, 8, 2], [1, 16], lengths(2, 4, 0), null, [1, 3, 2], [1, 6]],
      attributes: { hidden_size: 2, direction: "reverse", clip: 0.4, input_forget: 1 },
      outputs: 3,
    },
    { inputs: given([1, 2, 3], [1, 8, 3], [1, 8, 2]), attributes: { hidden_size: 2 } },
  ],
});
