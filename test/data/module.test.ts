import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readBatch } from "../../src/data/batch-like.ts";
import type { Batch, BatchOptions } from "../../src/data/batches.ts";
import { checkFinite, checkLabels } from "../../src/data/checks.ts";
import { openDataset } from "../../src/data/spec-node.ts";

let dir: string;
let count = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "secateur-module-"));
});
afterAll(() => rm(dir, { recursive: true }));

/** Runs one epoch after another over a module of the given text. */
async function run(text: string, ...epochs: Partial<BatchOptions>[]): Promise<Batch[][]> {
  const file = join(dir, `m${count++}.mjs`);
  await writeFile(file, text);
  const dataset = await openDataset(`module:${file}`, { split: "train" });
  const results: Batch[][] = [];
  for (const options of epochs) {
    const batches: Batch[] = [];
    for await (const batch of dataset.batches({ batchSize: 2, ...options })) batches.push(batch);
    results.push(batches);
  }
  return results;
}

const tensor = (n: number): string => `{ dtype: "float32", shape: [${n}, 1], data: new Float32Array(${n}) }`;

describe("a module", () => {
  it("may export a function of the request", async () => {
    const text = `export default async function* (request) {
      yield { inputs: { x: { type: "float32", dims: [2, 1], data: [request.seed, request.epoch] } }, target: [request.batchSize, request.split.length] };
    }`;
    const [first, second] = await run(text, { seed: 4, epoch: 0 }, { seed: 4, epoch: 1 });
    expect(first![0]).toEqual({
      inputs: { x: { dtype: "float32", shape: [2, 1], data: Float32Array.of(4, 0) } },
      target: { dtype: "int64", shape: [2], data: BigInt64Array.of(2n, 5n) },
      size: 2,
    });
    expect(second![0]!.inputs.x!.data).toEqual(Float32Array.of(4, 1));
  });

  it("may export a list, again and again", async () => {
    const text = `export default [{ inputs: ${tensor(2)}, target: [0, 1] }, { inputs: ${tensor(1)}, target: [1] }]`;
    const results = await run(text, {}, { limit: 1 }, { dropLast: true });
    expect(results.map((batches) => batches.map(({ size }) => size))).toEqual([[2, 1], [2], [2]]);
  });

  it.each([
    ["exported", "export default make();"],
    ["returned twice", "const one = make(); export default () => one;"],
  ])("cannot give a generator %s for two epochs", async (_, end) => {
    const text = `async function* make() { yield { inputs: ${tensor(1)}, target: [0] }; } ${end}`;
    await expect(run(text, {})).resolves.toHaveLength(1);
    await expect(run(text, {}, {})).rejects.toThrow(
      /second time, but they can be iterated only once; export a function/,
    );
  });

  it("is closed when the reader stops", async () => {
    const text = `globalThis.closedBySecateur = false;
      export default async function* () { try { for (;;) yield { inputs: ${tensor(1)}, target: [0] }; } finally { globalThis.closedBySecateur = true; } }`;
    await run(text, { limit: 3 });
    expect((globalThis as { closedBySecateur?: boolean }).closedBySecateur).toBe(true);
  });

  it.each([
    ["export const x = 1", /no default export/],
    ["export default 5", /neither an iterable/],
    ["export default () => 5", /returned no iterable of batches for the train split/],
    ["export default []", /no batches/],
    ["export default () => { throw new Error('no disk') }", /the module threw "no disk"/],
    [
      `export default async function* () { yield { inputs: ${tensor(1)}, target: [0] }; throw new Error("gone"); }`,
      /batch 1: the module threw "gone"/,
    ],
    [
      `export default [{ inputs: ${tensor(1)}, target: [0] }, { inputs: ${tensor(2)}, target: [0] }]`,
      /batch 1: the input has shape \[2, 1\] and the target \[1\]/,
    ],
    ["export default [", /cannot load/],
  ])("that says %s is refused", async (text, message) => {
    await expect(run(text, {})).rejects.toThrow(message);
  });

  it("takes no augmentation, range or normalisation", async () => {
    const text = `export default [{ inputs: ${tensor(1)}, target: [0] }]`;
    await expect(run(text, { augment: { flip: true }, from: 1 })).rejects.toThrow(/augment, from cannot be applied/);
    await expect(openDataset("module:x.mjs", { split: "train", normalise: { scale: 1 } })).rejects.toThrow(
      /scale cannot be applied to it; do it in the module/,
    );
    await expect(openDataset(`module:${join(dir, "absent.mjs")}`, { split: "train" })).rejects.toThrow(
      /cannot load .*absent\.mjs/,
    );
  });
});

const ok = { dtype: "float32", shape: [2, 1], data: Float32Array.of(1, 2) };

describe("readBatch", () => {
  it("copies what it is given", () => {
    const data = Float32Array.of(1, 2);
    const batch = readBatch({ inputs: { ...ok, data }, target: [0, 1] }, "b");
    data[0] = 9;
    expect(batch.inputs[""]!.data).toEqual(Float32Array.of(1, 2));
  });

  it("takes an input named data, other integer targets and float32 targets", () => {
    const named = readBatch(
      { inputs: { data: ok }, target: { dtype: "uint8", shape: [2], data: Uint8Array.of(1, 2) } },
      "b",
    );
    expect(Object.keys(named.inputs)).toEqual(["data"]);
    expect(named.target).toEqual({ dtype: "int64", shape: [2], data: BigInt64Array.of(1n, 2n) });
    const soft = readBatch({ inputs: ok, target: { dtype: "float32", shape: [2, 2], data: [0.5, 0.5, 1, 0] } }, "b");
    expect(soft.target!.data).toEqual(Float32Array.of(0.5, 0.5, 1, 0));
  });

  it("takes targets by name, and class ids of places", () => {
    const batch = readBatch(
      {
        inputs: ok,
        targets: {
          kind: [1, 0],
          boxes: { dtype: "float32", shape: [2, 4], data: [1, 2, 3, 4, 5, 6, 7, 8] },
          mask: { dtype: "int32", shape: [2, 1, 2], data: Int32Array.of(0, -100, 2, 255) },
        },
      },
      "b",
    );
    expect(batch).toMatchObject({
      size: 2,
      targets: {
        kind: { dtype: "int64", shape: [2], data: BigInt64Array.of(1n, 0n) },
        boxes: { dtype: "float32", shape: [2, 4] },
        mask: { dtype: "int64", shape: [2, 1, 2], data: BigInt64Array.of(0n, -100n, 2n, 255n) },
      },
    });
    expect(batch.target).toBeUndefined();
  });

  it.each([
    [7, /b: number 7 instead of/],
    [{}, /no inputs; a batch is/],
    [{ inputs: [], target: [0] }, /inputs is a list/],
    [{ inputs: {}, target: [0] }, /inputs is an empty record/],
    [{ inputs: ok, target: [0, 1.5] }, /the target holds 1\.5 at sample 1/],
    [{ inputs: ok, target: [0, -1] }, /the target holds -1 at sample 1/],
    [{ inputs: ok, target: ["0", 1] }, /the target holds 0 at sample 0/],
    [{ inputs: ok, target: [] }, /no samples/],
    [{ inputs: ok, target: { dtype: "int64", shape: [], data: BigInt64Array.of(0n) } }, /the target is a scalar/],
    [
      { inputs: ok, targets: ok },
      /targets is a tensor; expected a record of tensors by name; a single one is given as/,
    ],
    [{ inputs: ok, targets: {} }, /targets is an empty record/],
    [{ inputs: ok, targets: [0, 1] }, /targets is a list/],
    [{ inputs: ok, targets: { a: [0, -1] } }, /the target "a" holds -1 at sample 1/],
    [
      { inputs: ok, targets: { a: [0, 1], b: [0] } },
      /the target "b" has shape \[1\] and the target "a" \[2\]; the first/,
    ],
    [{ inputs: ok, target: [0, 1], targets: { b: [0] } }, /the target "b" has shape \[1\] and the target \[2\]/],
    [
      { inputs: ok, targets: { a: { dtype: "float32", shape: [2], data: [0, Number.NaN] } } },
      /the target "a" holds NaN at element 0 of sample 1/,
    ],
    [{ inputs: ok, target: { dtype: "float64", shape: [2], data: [0, 0] } }, /the target is float64/],
    [{ inputs: ok, target: { dtype: "float32", shape: [], data: [0] } }, /the target is a scalar/],
    [{ inputs: { ...ok, shape: [3, 1] }, target: [0, 1] }, /2 elements; its shape \[3, 1\] needs 3/],
    [{ inputs: { ...ok, shape: [2, 0.5] }, target: [0, 1] }, /has shape \[2, 0\.5\]/],
    [{ inputs: { ...ok, shape: [-2, -1] }, target: [0, 1] }, /has shape \[-2, -1\]/],
    [{ inputs: { ...ok, shape: undefined }, target: [0, 1] }, /has shape undefined/],
    [{ inputs: { ...ok, dtype: "float" }, target: [0, 1] }, /has dtype float; expected one of float32/],
    [
      { inputs: { ...ok, dtype: "int64" }, target: [0, 1] },
      /is int64, but its data is a Float32Array, not a BigInt64Array/,
    ],
    [{ inputs: { ...ok, dtype: "uint8", data: [1, 256] }, target: [0, 1] }, /is uint8, but element 1 is 256/],
    [{ inputs: { ...ok, data: [1, "2"] }, target: [0, 1] }, /element 1 is string 2/],
    [{ inputs: { ...ok, data: [1, undefined] }, target: [0, 1] }, /element 1 is undefined/],
    [
      { inputs: { ...ok, data: Float32Array.of(1, NaN) }, target: [0, 1] },
      /b: the input holds NaN at element 0 of sample 1/,
    ],
    [
      { inputs: { a: ok, b: { ...ok, data: [Infinity, 0] } }, target: [0, 1] },
      /input "b" holds Infinity at element 0 of sample 0/,
    ],
    [
      { inputs: { a: 1, b: { ...ok, dtype: 3 } }, target: [0.5] },
      /input "a" is number 1.*\n.*input "b" has dtype 3.*\n.*target holds 0\.5/,
    ],
  ])("refuses %o", (value, message) => {
    expect(() => readBatch(value, "b")).toThrow(message);
  });
});

describe("checks", () => {
  const batch = (labels: bigint[]): Batch => ({
    inputs: {},
    target: { dtype: "int64", shape: [labels.length], data: BigInt64Array.from(labels) },
    size: labels.length,
  });

  it("checkLabels names the first sample, the range and how many more", () => {
    checkLabels(batch([0n, 9n]).target, 10);
    expect(() => checkLabels(batch([0n, 10n, -1n]).target, 10, { where: "batch 4" })).toThrow(
      "batch 4: sample 1 has label 10; the classes are 0 to 9 (and so for 1 more of 3 samples)",
    );
  });

  it("checkFinite reads 16-bit floats by their bits", () => {
    const half = (dtype: "float16" | "bfloat16", bits: number): Batch => ({
      ...batch([0n]),
      inputs: { x: { dtype, shape: [1], data: Uint16Array.of(bits) } },
    });
    checkFinite(half("float16", 0x7bff));
    checkFinite(half("bfloat16", 0x7c00));
    expect(() => checkFinite(half("float16", 0x7c00))).toThrow(/input "x" holds NaN or an infinity/);
    expect(() => checkFinite(half("bfloat16", 0xff80))).toThrow(/input "x"/);
  });
});
