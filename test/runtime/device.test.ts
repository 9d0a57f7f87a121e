/** On a device, models compute, learn and lose what they do on the CPU. SECATEUR_DEVICE names it: see CONTRIBUTING.md. */

import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { findCriterion } from "../../src/criteria/table.ts";
import type { Dataset } from "../../src/data/batches.ts";
import { SecateurError } from "../../src/graph/error.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, isFloat, tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { createEmitter } from "../../src/ops/emitter.ts";
import { ops } from "../../src/ops/table.ts";
import { removeDead } from "../../src/passes/dead.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { devices, type Device } from "../../src/runtime/port.ts";
import { evaluate } from "../../src/evaluate/evaluate.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { pruneLoop } from "../../src/loop/prune.ts";
import { executable } from "../../src/execute/executable.ts";
import { score } from "../../src/score/score.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { difference, noise, openSample } from "../support/graphs.ts";
import { listNets, readNetModel, readNetReference, relativeError } from "../support/reference.ts";

const named = process.env["SECATEUR_DEVICE"];
const device = devices.find((one) => one === named) ?? "cpu";

/** Why nothing is tried here; `undefined` where it is. */
async function reasonToSkip(): Promise<string | undefined> {
  if (named === undefined) return "npm run test:cuda and npm run test:webgpu do it";
  if (device === "cpu") return `SECATEUR_DEVICE is "${named}", which is no device but the CPU`;
  try {
    const model = encodeModel(newModel("lenet5", { classes: 10, seed: 1 }));
    await (await directRuntime.load(model, { device })).dispose();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const skipped = await reasonToSkip();
if (skipped) console.log(`Devices are not tested: ${skipped}`);

/** Rounding decides which way single Relus go, which shows in the third digit of nets as small as these. */
const tolerance = 5e-3;
/** Shaders are compiled for every shape, which takes seconds where there is no GPU. */
const patience = 300_000;

/** Residual and depthwise convolutions, pools, attention, recurrence, transposed ones, and layers on vectors: what can be waited for where there is no GPU. */
const few = ["residual-conv", "depthwise", "vgg", "inception", "transformer", "lstm", "unet-transpose"];
const nets = device === "webgpu" ? few : listNets();

/** Operators and samples that onnxruntime refuses on a device, with its own message; docs/devices.md says what they are. */
const refused: Readonly<Record<string, readonly string[]>> = {
  webgpu: ["Einsum 6", "Pow 1", "Pow 2", "Resize 12", "Resize 18"],
};

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

describe.skipIf(skipped !== undefined)(`on ${device}`, () => {
  const learning = nets.filter((name) => openNet(name).train).map((name) => [name, true] as const);
  const modes = [...nets.map((name) => [name, false] as const), ...learning];

  it.each(modes)(
    "%s: the loss and all gradients (training mode: %s)",
    async (name, train) => {
      const { graph, feeds, loss, size } = openNet(name);
      const whole = gradientGraph(graph, { batch: size, loss, train, wrt: "parameters" });
      const [expected, found] = [await run(whole, "cpu", feeds), await run(whole, device, feeds)];
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
      const pruned = (on: Device) =>
        pruneLoop(directRuntime, graph, data, {
          device: on,
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
      const [expected, found] = [await pruned("cpu"), await pruned(device)];
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
      const on = (where: Device) => evaluate(directRuntime, graph, data, { device: where, loss, batchSize: size });
      expect((await on(device)).loss).toBeCloseTo((await on("cpu")).loss!, 4);
    },
    patience,
  );

  it.each(["taylor-fo-fg", "taylor-so", "taylor-so-diag", "oracle"])(
    "%s of a residual net",
    async (criterion) => {
      const { graph, data, loss, size } = openNet("residual-conv");
      const scored = (on: Device) =>
        score(directRuntime, graph, data, findCriterion(criterion), {
          device: on,
          loss,
          batchSize: size,
          batches: 1,
          seed: 1,
        });
      const [expected, found] = [await scored("cpu"), await scored(device)];
      for (const [group, importances] of expected)
        expect(relativeError(found.get(group)!, importances), group).toBeLessThan(tolerance);
    },
    patience,
  );

  const samples = [...ops.values()].flatMap((op) =>
    op.samples
      .map((sample, n) => [op.key, n, sample, op] as const)
      // ONNX leaves open in which order it puts out what it found.
      .filter(([, , { attributes }]) => attributes?.["sorted"] !== 0),
  );

  it.each(samples)(
    "%s, forwards and backwards (sample %i)",
    async (name, n, sample, op) => {
      const { builder, outputs, feeds } = openSample(op, sample, n + 1);
      const g = createEmitter(builder);
      const seeds =
        op.gradient === "stop"
          ? []
          : outputs
              .filter(({ dtype }) => isFloat(dtype))
              .map((value, i) => ({ value, seed: g.constant(noise(value.shape, n + i)) }));
      const found = seeds.length > 0 ? differentiate(builder, seeds, Object.keys(feeds)) : new Map();
      const wanted = [...outputs, ...found.values()].filter((value) => value !== undefined);
      const graph = removeDead(builder.finish([...new Set(wanted.map(({ name }) => name))]));
      const plain = await run(graph, "cpu", feeds);
      if (refused[device]?.includes(`${name} ${n}`)) {
        await expect(run(graph, device, feeds)).rejects.toThrow(SecateurError);
        return;
      }
      const other = await run(graph, device, feeds);
      for (const { name: output } of graph.outputs) {
        expect(other[output]!.shape, output).toEqual(plain[output]!.shape);
        const { largest, range } = difference(plain[output]!, other[output]!);
        expect(largest, output).toBeLessThanOrEqual(1e-4 * Math.max(1, range));
      }
    },
    patience,
  );
});

async function run(graph: Graph, on: Device, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
  const session = await directRuntime.load(executable(graph, on), { device: on, threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

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
