/** On WebGPU models compute, learn and lose what they do on the CPU. Needs a GPU or a Vulkan of software: see CONTRIBUTING.md. */

import { describe, expect, it } from "vitest";
import { findCriterion } from "../../src/criteria/table.ts";
import type { Dataset } from "../../src/data/batches.ts";
import { float32, tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Device } from "../../src/runtime/port.ts";
import { evaluate } from "../../src/train/evaluate.ts";
import { gradientGraph } from "../../src/train/gradients.ts";
import { prepare } from "../../src/train/prepare.ts";
import { pruneLoop } from "../../src/train/prune.ts";
import { runnable } from "../../src/train/runnable.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { readNetModel, readNetReference, relativeError } from "../support/reference.ts";

/** Why nothing is tried here; `undefined` where it is. */
async function reasonToSkip(): Promise<string | undefined> {
  if (!process.env["SECATEUR_WEBGPU"]) return "npm run test:webgpu runs it";
  try {
    const model = encodeModel(newModel("lenet5", { classes: 10, seed: 1 }));
    await (await directRuntime.load(model, { device: "webgpu" })).dispose();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const skipped = await reasonToSkip();
if (skipped) console.log(`WebGPU is not tested: ${skipped}`);

const tolerance = 1e-3;
/** Shaders are compiled for every shape, which takes seconds where there is no GPU. */
const patience = 300_000;

/** Residual and depthwise convolutions, pools, attention, recurrence, transposed ones, and layers on vectors. */
const nets = ["residual-conv", "depthwise", "vgg", "inception", "transformer", "lstm", "unet-transpose"];

function openNet(name: string) {
  const reference = readNetReference(name);
  const { input, labels, target: wanted } = reference;
  const target = labels ? tensor("int64", [labels.length], labels) : float32(wanted!.shape, Array.from(wanted!.values));
  const size = input.shape[0]!;
  const x = float32(input.shape, Array.from(input.values));
  const data: Dataset = {
    name,
    size,
    // oxlint-disable-next-line require-await
    async *batches() {
      yield { inputs: { [input.name]: x }, target, size };
    },
  };
  const loss = labels ? ("cross-entropy" as const) : ("mse" as const);
  return {
    graph: prepare(loadModel(readNetModel(name))),
    feeds: { [input.name]: x, target },
    data,
    loss,
    size,
    train: reference.train,
  };
}

describe.skipIf(skipped !== undefined)("WebGPU", () => {
  const learning = nets.filter((name) => openNet(name).train).map((name) => [name, true] as const);
  const modes = [...nets.map((name) => [name, false] as const), ...learning];

  it.each(modes)(
    "%s: the loss and all gradients (training mode: %s)",
    async (name, train) => {
      const { graph, feeds, loss, size } = openNet(name);
      const whole = gradientGraph(graph, { batch: size, loss, train, wrt: "parameters" });
      const run = async (device: Device): Promise<Record<string, Tensor>> => {
        const session = await directRuntime.load(runnable(whole, device), { device });
        try {
          return await session.run(feeds);
        } finally {
          await session.dispose();
        }
      };
      const [expected, found] = [await run("cpu"), await run("webgpu")];
      const largest = Math.max(...Object.values(expected).map(norm));
      expect(Object.keys(found)).toEqual(Object.keys(expected));
      for (const [output, value] of Object.entries(expected)) {
        // What is zero but for rounding, as a bias before a normalisation, is another on every device.
        if (norm(value) < 1e-5 * largest) continue;
        expect(relativeError(toNumbers(found[output]!), toNumbers(value)), output).toBeLessThan(tolerance);
      }
    },
    patience,
  );

  it.each(["residual-conv", "depthwise", "vgg", "transformer", "lstm"])(
    "%s: a removal after three steps takes the same units",
    async (name) => {
      const { graph, data, loss, size } = openNet(name);
      const run = (device: Device) =>
        pruneLoop(directRuntime, graph, data, {
          device,
          loss,
          batchSize: size,
          seed: 1,
          criterion: findCriterion("taylor-fo"),
          target: { units: 0 },
          unitsPerStep: 4,
          every: 3,
          learningRate: 0.01,
          onPoint: (point) => Promise.reject(new Stop(point.removals, point.graph.initializers)),
        }).catch((error: unknown) => {
          if (error instanceof Stop) return error;
          throw error;
        }) as Promise<Stop>;
      const [expected, found] = [await run("cpu"), await run("webgpu")];
      expect(found.removals).toEqual(expected.removals);
      expect(expected.removals).toHaveLength(1);
      for (const [weight, value] of expected.weights)
        expect(relativeError(toNumbers(found.weights.get(weight)!), toNumbers(value)), weight).toBeLessThan(tolerance);
    },
    patience,
  );

  it(
    "the loss on data, of a net that normalises vectors",
    async () => {
      const { graph, data, loss, size } = openNet("vgg-folded");
      const on = (device: Device) => evaluate(directRuntime, graph, data, { device, loss, batchSize: size });
      expect((await on("webgpu")).loss).toBeCloseTo((await on("cpu")).loss, 4);
    },
    patience,
  );
});

/** Ends pruning after its first removal. */
class Stop extends Error {
  readonly removals: readonly unknown[];
  readonly weights: ReadonlyMap<string, Tensor>;

  constructor(removals: readonly unknown[], weights: ReadonlyMap<string, Tensor>) {
    super("stop");
    this.removals = removals;
    this.weights = weights;
  }
}

const norm = (value: Tensor): number => Math.hypot(...toNumbers(value));
