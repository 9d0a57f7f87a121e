/** Losses and gradients agree with PyTorch's: the committed nets, and ResNet-20 where its file is at hand. */

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, tensor, type Tensor } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { toHalf } from "../../src/graph/half.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { runGraph } from "../support/graphs.ts";
import {
  listNets,
  readNetModel,
  readNetReference,
  readResNet20Reference,
  relativeError,
  type Pass,
  type Values,
} from "../support/reference.ts";
import { laws } from "../support/laws.ts";

/** PyTorch's gradients are in double precision, ours in single. */
const tolerance = 1e-3;
/** Activations of a float16 net are rounded in neither; its weights are the same. */
const lossTolerance = 1e-4;

async function compare(
  graph: Graph,
  train: boolean,
  loss: "cross-entropy" | "mse",
  input: Values,
  target: Tensor,
  expected: Pass,
) {
  const batch = input.shape[0]!;
  const whole = gradientGraph(graph, { batch, loss, train, wrt: "parameters" });
  const feeds = { [graph.inputs[0]!.name]: float32(input.shape, Array.from(input.values)), target };
  const results = await runGraph(whole, feeds);
  expect(Math.abs(Number(results["loss"]!.data[0]) - expected.loss) / Math.max(1, expected.loss)).toBeLessThan(
    lossTolerance,
  );
  const gradients = { ...expected.gradients, ...expected.aliasGradients };
  const names = Object.keys(gradients);
  expect(
    whole.outputs
      .map((v) => v.name)
      .slice(1)
      .sort(),
  ).toEqual(names.map((name) => `grad/${name}`).sort());
  const norms = names.map((name) => Math.hypot(...Array.from(gradients[name]!.values)));
  const largest = Math.max(...norms);
  names.forEach((name, i) => {
    const actual = results[`grad/${name}`]!;
    expect(actual.shape).toEqual(gradients[name]!.shape);
    // A bias in front of a BatchNormalization in training mode has a gradient of exactly zero, which rounding hides.
    if (norms[i]! < 1e-6 * largest) return;
    expect(relativeError(actual.data as Float32Array, gradients[name]!.values), name).toBeLessThan(tolerance);
  });
}

describe("small nets", () => {
  for (const name of listNets()) {
    const reference = readNetReference(name);
    const graph = () => normalise(loadModel(readNetModel(name)).graph);
    const [loss, target] = reference.labels
      ? (["cross-entropy", tensor("int64", [reference.labels.length], reference.labels)] as const)
      : (["mse", float32(reference.target!.shape, Array.from(reference.target!.values))] as const);
    it(`${name}: inference mode`, async () => {
      await compare(graph(), false, loss, reference.input, target, reference.eval);
    });
    if (reference.train)
      it(`${name}: training mode`, () => compare(graph(), true, loss, reference.input, target, reference.train!));
  }
});

const resnet20 = new URL("../../../shared/data/models/resnet20-cifar10.onnx", import.meta.url);

describe.skipIf(!existsSync(resnet20))("ResNet-20 (skipped where its file is not at hand)", () => {
  for (const mode of ["eval", "train"] as const) {
    it(`all gradients: ${mode}`, laws, async () => {
      const reference = readResNet20Reference();
      const { graph } = loadModel(new Uint8Array(readFileSync(resnet20)));
      const target = tensor("int64", [8], reference.labels);
      await compare(normalise(graph), mode === "train", "cross-entropy", reference.input, target, reference[mode]);
    });
  }
});

it("float16 numbers survive the way to float32 and back", () => {
  for (const bits of [0, 1, 0x3c00, 0x7bff, 0x8001, 0xfbff, 0x0400, 0x03ff]) expect(toHalf(fromBits(bits))).toBe(bits);
});

function fromBits(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const size = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}
