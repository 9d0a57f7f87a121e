/** Products that onnxruntime's optimiser has made one with what follows them. */

import { fail } from "../../graph/error.ts";
import { Conv, kernelAttributes, looseSpace } from "./convolution.ts";
import { defineOp, float, floats, given, int, string, type Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";
import { Gemm, MatMul } from "./linear.ts";

const domain = "com.microsoft";

/** An activation by its name, applied with the parameters that its kernels take, in their order. */
const activations: Readonly<Record<string, (g: Emit, x: Value, ...parameters: number[]) => Value>> = {
  Relu: (g, x) => g.Relu(x),
  Sigmoid: (g, x) => g.Sigmoid(x),
  Tanh: (g, x) => g.Tanh(x),
  Softplus: (g, x) => g.Softplus(x),
  Softsign: (g, x) => g.Softsign(x),
  Elu: (g, x, alpha = 1) => g.Elu(x, { alpha }),
  LeakyRelu: (g, x, alpha = 0.01) => g.LeakyRelu(x, { alpha }),
  ThresholdedRelu: (g, x, alpha = 1) => g.ThresholdedRelu(x, { alpha }),
  HardSigmoid: (g, x, alpha = 0.2, beta = 0.5) => g.HardSigmoid(x, { alpha, beta }),
  Clip: (g, x, low, high) =>
    g.Clip(x, low === undefined ? undefined : g.scalar(low, x), high === undefined ? undefined : g.scalar(high, x)),
};

function checkActivation(name: string | undefined): void {
  if (name !== undefined && !Object.hasOwn(activations, name))
    fail("unsupported", `its activation "${name}" is not known`);
}

const activated = (g: Emit, x: Value, name: string | undefined, parameters: readonly number[] = []): Value =>
  name === undefined ? x : activations[name]!(g, x, ...parameters);

/**
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FusedConv
 * — activation(Conv(X, W, B) + Z)
 */
export const FusedConv = defineOp({
  name: "FusedConv",
  domain,
  since: 1,
  inputs: ["X", "W", "B?", "Z?"],
  attributes: {
    ...kernelAttributes,
    activation: string(),
    activation_params: floats(),
  },
  shape({ X, W, B, Z }, attributes) {
    checkActivation(attributes.activation);
    const [shape] = Conv.shape([X, W, B], attributes, 1);
    if (Z && Z.shape.join() !== shape!.join())
      fail("bad-model", `what is added [${Z.shape.join(", ")}] is not of the shape [${shape!.join(", ")}]`);
    return shape!;
  },
  gradient: "decompose",
  channels(c, { X, W, B, Z }, [Y], attributes) {
    Conv.channels!(c, [X, W, B], [Y!], attributes);
    const space = looseSpace(X, W, Y!, attributes).map(({ axis }) => axis);
    if (Z) for (const axis of [0, 1, ...space]) c.same(c.axis(Z, axis), c.axis(Y!, axis));
  },
  resize: (remaining, { X, W }, _outputs, { group }) => ({
    attributes: group > 1 && W.shape[1] === 1 ? { group: remaining.axis(X, 1).length } : {},
  }),
  macs: ({ X, W, B }, outputs, attributes) => Conv.macs!([X, W, B], outputs, attributes),
  decompose(g, { X, W, B, Z }, { activation, activation_params, ...attributes }) {
    const summed = g.Conv(X, W, B, attributes);
    return [activated(g, Z ? g.Add(summed, Z) : summed, activation, activation_params)];
  },
  samples: [
    { inputs: [[2, 3, 6, 5], [4, 3, 3, 3], [4]], attributes: { pads: [1, 1, 1, 1], activation: "Relu" } },
    {
      inputs: [[2, 4, 5, 5], [4, 1, 3, 3], [4]],
      attributes: { group: 4, strides: [2, 2], activation: "LeakyRelu", activation_params: [0.3] },
    },
    { inputs: [[2, 3, 4, 4], [4, 3, 1, 1], [4], [2, 4, 4, 4]], attributes: { activation: "Relu" } },
    { inputs: given([2, 4, 4, 4], [4, 2, 1, 1]), attributes: { group: 2, activation: "Tanh" } },
    { inputs: [[1, 1, 2, 2], [2, 1, 1, 1], [2]], attributes: { activation: "Clip", activation_params: [-0.2, 0.4] } },
    {
      inputs: [[2, 3, 4, 4], [4, 3, 1, 1], [4]],
      attributes: { activation: "HardSigmoid", activation_params: [0.1, 0.4] },
    },
    { inputs: [[2, 3, 4, 4], [4, 3, 1, 1], [4]], attributes: { activation: "Sigmoid" } },
  ],
});

/**
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FusedGemm
 * — activation(Gemm(A, B, C))
 */
export const FusedGemm = defineOp({
  name: "FusedGemm",
  domain,
  since: 1,
  inputs: ["A", "B", "C?"],
  attributes: {
    alpha: float(1),
    beta: float(1),
    transA: int(0),
    transB: int(0),
    activation: string(),
    activation_alpha: float(),
    activation_beta: float(),
    activation_gamma: float(),
  },
  shape({ A, B, C }, attributes) {
    checkActivation(attributes.activation);
    if (attributes.activation_gamma !== undefined) fail("unsupported", "an activation with a gamma is not known");
    return Gemm.shape([A, B, C], attributes, 1)[0]!;
  },
  gradient: "decompose",
  channels: (c, { A, B, C }, outputs, attributes) => Gemm.channels!(c, [A, B, C], outputs, attributes),
  macs: ({ A, B, C }, outputs, attributes) => Gemm.macs!([A, B, C], outputs, attributes),
  decompose(g, { A, B, C }, { alpha, beta, transA, transB, activation, activation_alpha, activation_beta }) {
    const parameters = [activation_alpha, activation_beta].filter((value) => value !== undefined);
    return [activated(g, g.Gemm(A, B, C, { alpha, beta, transA, transB }), activation, parameters)];
  },
  samples: [
    { inputs: [[2, 6], [4, 6], [4]], attributes: { transB: 1, activation: "Relu" } },
    {
      inputs: given([6, 3], [6, 4], [3, 4]),
      attributes: { transA: 1, alpha: 0.5, beta: 2, activation: "LeakyRelu", activation_alpha: 0.2 },
    },
    { inputs: [[2, 3], [3, 4], [4]], attributes: { activation: "Sigmoid" } },
    {
      inputs: [[2, 3], [3, 4], [4]],
      attributes: { activation: "HardSigmoid", activation_alpha: 0.3, activation_beta: 0.4 },
    },
  ],
});

/** The axes of an operand as FusedMatMul sees them: a moved batch axis behind the others, the last two swapped. */
function orderOf(rank: number, transBatch: number, trans: number): number[] {
  const axes = Array.from({ length: rank }, (_, i) => i);
  if (transBatch && rank > 2) axes.splice(rank - 2, 0, axes.shift()!);
  if (trans && rank > 1) axes.push(...axes.splice(-2).toReversed());
  return axes;
}

interface Transposed {
  readonly transA: number;
  readonly transB: number;
  readonly transBatchA: number;
  readonly transBatchB: number;
}

interface Operand {
  /** As MatMul would see it. */
  readonly seen: Value;
  /** The axis of the operand that an axis of `seen` is. */
  readonly order: readonly number[];
}

function operandOf(value: Value, transBatch: number, trans: number): Operand {
  const order = orderOf(value.shape.length, transBatch, trans);
  return { seen: { ...value, shape: order.map((axis) => value.shape[axis]!) }, order };
}

const operandsOf = (A: Value, B: Value, { transA, transB, transBatchA, transBatchB }: Transposed) =>
  [operandOf(A, transBatchA, transA), operandOf(B, transBatchB, transB)] as const;

/**
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FusedMatMul —
 * alpha · A' B', as MatMul multiplies them
 */
export const FusedMatMul = defineOp({
  name: "FusedMatMul",
  domain,
  since: 1,
  inputs: ["A", "B"],
  attributes: { alpha: float(1), transA: int(0), transB: int(0), transBatchA: int(0), transBatchB: int(0) },
  shape({ A, B }, attributes) {
    const [a, b] = operandsOf(A, B, attributes);
    return MatMul.shape([a.seen, b.seen], {}, 1)[0]!;
  },
  gradient: "decompose",
  channels(c, { A, B }, outputs, attributes) {
    const [a, b] = operandsOf(A, B, attributes);
    const axis: typeof c.axis = (value, at) => {
      const operand = value === a.seen ? a : value === b.seen ? b : undefined;
      if (operand === undefined) return c.axis(value, at);
      return c.axis(operand === a ? A : B, operand.order[at < 0 ? at + operand.order.length : at]!);
    };
    MatMul.channels!({ ...c, axis }, [a.seen, b.seen], outputs, {});
  },
  wholeGroupRemoval: () => "zero",
  macs({ A, B }, outputs, attributes) {
    const [a, b] = operandsOf(A, B, attributes);
    return MatMul.macs!([a.seen, b.seen], outputs, {});
  },
  decompose(g, { A, B }, { alpha, ...attributes }) {
    const [a, b] = operandsOf(A, B, attributes);
    const product = g.MatMul(g.transposed(A, a.order), g.transposed(B, b.order));
    return [alpha === 1 ? product : g.Mul(product, g.scalar(alpha, product))];
  },
  samples: [
    { inputs: given([2, 3, 4], [2, 5, 4]), attributes: { transB: 1, alpha: 0.5 } },
    { inputs: given([4, 3], [4, 5]), attributes: { transA: 1 } },
    { inputs: given([2, 3, 4], [4, 5]) },
    { inputs: given([3, 2, 4], [2, 4, 5]), attributes: { transBatchA: 1 } },
    { inputs: given([2, 3, 4], [4, 2, 5]), attributes: { transBatchB: 1 } },
  ],
});
