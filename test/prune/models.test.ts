/** The law of the project on whole models as PyTorch and others export them. */

import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Model } from "../../src/graph/graph.ts";
import { sizeOf, toNumbers, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { readModelFile } from "../../src/onnx/files-node.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { trace, valueOf } from "../../src/passes/trace.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { random } from "../support/graphs.ts";
import { addWholes, drawRemoval } from "./support.ts";
import { laws, lawsBut } from "../support/laws.ts";

/** Plans for each model; fewer where one run is long. */
const plansFor = (inputs: number): number => (inputs > 50_000 ? 4 : 20);

/** How many of them take whole groups too. */
const plansOfWholes = 2;

const folderOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const fixtures = folderOf("../fixtures/nets");
const shared = process.env["SECATEUR_MODELS"] ?? folderOf("../../../shared/data/models");

const modelsIn = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((file) => file.endsWith(".onnx"))
        .toSorted()
    : [];

/** Input sizes that a file leaves open beside the batch. */
const openShapes: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {};

async function run(model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await directRuntime.load(encodeModel(model), { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

/** A float16 as a number. */
function fromHalf(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

const numbersOf = (tensor: Tensor): number[] =>
  tensor.dtype === "float16" ? Array.from(tensor.data as Uint16Array, fromHalf) : toNumbers(tensor);

/** The bits of a float16, good enough for inputs between -2 and 2 that are multiples of 1/512. */
function toHalf(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024);
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

function feedsOf(model: Model): Record<string, Tensor> {
  const traced = trace(model.graph, { batch: 2 });
  const next = random(17);
  return Object.fromEntries(
    model.graph.inputs.map(({ name }) => {
      const { dtype, shape } = valueOf(traced, name)!;
      const values = Float32Array.from({ length: sizeOf(shape) }, () => Math.round((next() * 3 - 1.5) * 512) / 512);
      const data = dtype === "float16" ? Uint16Array.from(values, toHalf) : values;
      expect(["float32", "float16"]).toContain(dtype);
      return [name, { dtype, shape, data }];
    }),
  );
}

async function check(path: string): Promise<void> {
  const read = await readModelFile(path);
  const shapes = openShapes[path.split("/").at(-1)!];
  const model = shapes ? { ...read, graph: normalise(read.graph, { shapes }) } : read;
  const feeds = feedsOf(model);
  const found = analyse(model.graph, { batch: 2 });
  // Where cutting is not zeroing there is nothing to compare as a whole: test/prune/patterns.test.ts proves those part by part.
  const groups = { ...found, groups: found.groups.filter(({ inexact }) => inexact.length === 0) };
  expect(found.groups.length).toBeGreaterThan(0);
  const half = [...model.graph.initializers.values()].some(({ dtype }) => dtype === "float16");
  const tolerance = half ? 2e-2 : 1e-4;
  const plans = plansFor(Object.values(feeds).reduce((n, { shape }) => n + sizeOf(shape), 0));
  let removed = 0;
  for (let plan = 0; plan < plans; plan++) {
    const removal = drawRemoval(groups, plan);
    if (plan < plansOfWholes) addWholes(groups, removal, plan);
    for (const units of removal.values()) removed += units.length;
    const small: Model = { ...model, graph: cut(model.graph, groups, removal).graph };
    const masked = await run({ ...model, graph: mask(model.graph, groups, removal) }, feeds);
    // What is compared is the file as it would be written and read again.
    const written = loadModel(encodeModel(small));
    expect(written.graph.inputs).toEqual(model.graph.inputs);
    expect(written.graph.outputs).toEqual(model.graph.outputs);
    const pruned = await run(written, feeds);
    for (const { name } of model.graph.outputs) {
      const [a, b] = [numbersOf(masked[name]!), numbersOf(pruned[name]!)];
      expect(pruned[name]!.shape).toEqual(masked[name]!.shape);
      const range = a.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
      const largest = a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
      expect(largest / range, `plan ${plan}, output ${name}`).toBeLessThanOrEqual(tolerance);
    }
  }
  if (groups.groups.some(({ units }) => units.length > 2)) expect(removed).toBeGreaterThan(plans);
}

describe("small networks exported by PyTorch", () => {
  const files = modelsIn(fixtures);
  it("are there", () => expect(files.length).toBeGreaterThan(10));
  /** One of each kind of layers. */
  const few = [
    "residual-conv",
    "inception",
    "shuffle-v2",
    "attention-torch",
    "transformer-13",
    "lstm",
    "unet",
    "float16",
  ];
  for (const file of files)
    it(`${file}: cut computes what masked does`, lawsBut(few, file.replace(".onnx", "")), () =>
      check(`${fixtures}/${file}`),
    );
});

// The trained models are not in the repository: set SECATEUR_MODELS to a folder that has them.
describe.skipIf(modelsIn(shared).length === 0)("trained models (skipped where SECATEUR_MODELS has none)", () => {
  for (const file of modelsIn(shared))
    it(`${file}: cut computes what masked does`, laws, () => check(`${shared}/${file}`));
});
