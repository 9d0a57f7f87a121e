/** Softmax and Sigmoid at the end of a model: recognised, and looked through by losses that have them inside. */

import { describe, expect, it } from "vitest";
import { executable } from "../../src/execute/executable.ts";
import { float32, tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { termsOf } from "../../src/objective/terms.ts";
import type { Loss } from "../../src/options/loss.ts";
import { headOf } from "../../src/passes/heads.ts";
import type { Value } from "../../src/ops/core/define.ts";
import type { Emit } from "../../src/ops/core/emit.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { tinyNet } from "../support/graphs.ts";

/** A net [2, 4] -> [2, 6], what it gives before its end, and that end. */
function net(end: (g: Emit, logits: Value) => Value) {
  const { g, weight, x, finish, feeds } = tinyNet([2, 4]);
  const logits = g.Gemm(x, weight("w", [4, 6]), weight("b", [6]));
  const output = end(g, logits);
  return { graph: finish(output), output: output.name, logits: logits.name, feeds };
}

const softmax = (axis?: number) => (g: Emit, x: Value) => g.Softmax(x, axis === undefined ? {} : { axis });

describe("the end of a model is", () => {
  it.each([
    ["a Softmax", softmax(1), 1],
    ["a Softmax on the last axis, by default", softmax(), -1],
    ["a Softmax behind Identity", (g: Emit, x: Value) => g.Identity(g.Identity(g.Softmax(x, { axis: -1 }))), -1],
  ])("%s", (_, end, axis) => {
    const { graph, output, logits } = net(end);
    expect(headOf(graph, output)).toEqual({ activation: "softmax", logits, axis });
  });

  it.each([
    ["a Sigmoid", (g: Emit, x: Value) => g.Sigmoid(x)],
    ["a Sigmoid behind Identity", (g: Emit, x: Value) => g.Identity(g.Sigmoid(x))],
  ])("%s", (_, end) => {
    const { graph, output, logits } = net(end);
    expect(headOf(graph, output)).toEqual({ activation: "sigmoid", logits });
  });

  it.each([
    ["Reshape", (g: Emit, x: Value) => g.Reshape(g.Sigmoid(x), g.ints([2, 3, 2]))],
    ["Transpose", (g: Emit, x: Value) => g.Transpose(g.Sigmoid(g.Reshape(x, g.ints([2, 3, 2]))), { perm: [0, 2, 1] })],
    ["Concat", (g: Emit, x: Value) => g.Concat(g.Sigmoid(x), g.Flatten(g.Sigmoid(g.Neg(x)), { axis: 1 }), { axis: 1 })],
  ])("Sigmoid behind %s, whose logits are no value", (_, end) => {
    const { graph, output } = net(end);
    expect(headOf(graph, output)).toEqual({ activation: "sigmoid" });
  });

  it.each([
    ["logits", (g: Emit, x: Value) => g.Identity(x)],
    ["LogSoftmax, which may stay", (g: Emit, x: Value) => g.LogSoftmax(x, { axis: 1 })],
    ["a Softmax that is moved", (g: Emit, x: Value) => g.Reshape(g.Softmax(x, { axis: 1 }), g.ints([2, 3, 2]))],
    ["numbers beside a Sigmoid", (g: Emit, x: Value) => g.Concat(g.Sigmoid(x), x, { axis: 1 })],
    ["a product of Sigmoids", (g: Emit, x: Value) => g.Mul(g.Sigmoid(x), g.Sigmoid(x))],
  ])("none of them for %s", (_, end) => {
    const { graph, output } = net(end);
    expect(headOf(graph, output)).toBeUndefined();
  });
});

/** The loss of a net, and its gradient for the weights. */
async function learned(graph: Graph, feeds: Record<string, Tensor>, loss: Loss, target: Tensor) {
  const full = gradientGraph(graph, { batch: 2, loss, wrt: "parameters", train: false });
  const session = await directRuntime.load(executable(full), { threads: 1 });
  const results = await session.run({ ...feeds, target });
  await session.dispose();
  return [...toNumbers(results["loss"]!), ...toNumbers(results["grad/w"]!)];
}

const far = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

const yes = float32([2, 6], [0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0]);
const moved = (shape: readonly number[]): Tensor => ({ ...yes, shape });

describe("a loss looks at what stands before", () => {
  it.each([
    ["cross-entropy" as const, tensor("int64", [2], [4, 0]), softmax(1)],
    ["cross-entropy" as const, tensor("int64", [2], [4, 0]), (g: Emit, x: Value) => g.LogSoftmax(x, { axis: 1 })],
    ["bce" as const, yes, (g: Emit, x: Value) => g.Sigmoid(x)],
    ["focal" as const, yes, (g: Emit, x: Value) => g.Sigmoid(x)],
  ])("%s %#", async (loss, target, end) => {
    const [plain, whole] = [net((g, x) => g.Identity(x)), net(end)];
    const wanted = await learned(plain.graph, plain.feeds, loss, target);
    expect(far(await learned(whole.graph, whole.feeds, loss, target), wanted)).toBeLessThan(1e-6);
  });

  it("bce behind what moves a Sigmoid, by logarithms", async () => {
    const logits = net((g, x) => g.Reshape(x, g.ints([2, 3, 2])));
    const whole = net((g, x) => g.Reshape(g.Sigmoid(x), g.ints([2, 3, 2])));
    const wanted = await learned(logits.graph, logits.feeds, "bce", moved([2, 3, 2]));
    expect(far(await learned(whole.graph, whole.feeds, "bce", moved([2, 3, 2])), wanted)).toBeLessThan(1e-5);
  });

  it("bce behind a Concat of Sigmoids", async () => {
    const halves = (g: Emit, x: Value) =>
      [g.Slice(x, g.ints([0]), g.ints([2]), g.ints([1])), g.Slice(x, g.ints([2]), g.ints([6]), g.ints([1]))] as const;
    const whole = net((g, x) => g.Concat(...halves(g, x).map((half) => g.Sigmoid(half)), { axis: 1 }));
    const logits = net((g, x) => g.Identity(x));
    const wanted = await learned(logits.graph, logits.feeds, "bce", yes);
    expect(far(await learned(whole.graph, whole.feeds, "bce", yes), wanted)).toBeLessThan(1e-5);
  });

  it("with the axis of a Softmax for its own, and dice with the classes", () => {
    const end = (g: Emit, x: Value) => g.Softmax(g.Reshape(x, g.ints([2, 3, 2])), {});
    const { graph } = net(end);
    const [entropy, dice, plain] = (["cross-entropy", "dice", "mse"] as const).map((loss) => termsOf(graph, loss)[0]!);
    expect([entropy!.settings, dice!.settings, plain!.settings]).toEqual([{ axis: -1 }, { axis: -1 }, {}]);
    expect(entropy!.value).toBe(dice!.value);
    expect([dice!.loss.distribution, plain!.value]).toEqual(["categorical", graph.outputs[0]!.name]);
    expect(termsOf(net((g, x) => g.Sigmoid(x)).graph, "dice")[0]!.loss.distribution).toBe("bernoulli");
  });
});
