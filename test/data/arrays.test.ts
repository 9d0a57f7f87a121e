import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { zipSync } from "fflate";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkClasses } from "../../src/data/checks.ts";
import { presets } from "../../src/data/normalise.ts";
import { parseNpy } from "../../src/data/npy.ts";
import { openDataset, type OpenOptions } from "../../src/data/spec-node.ts";
import { SecateurError } from "../../src/graph/error.ts";
import { float32, type Tensor } from "../../src/graph/tensor.ts";
import { evaluate } from "../../src/node.ts";
import { narrowTensor } from "../../src/passes/widen.ts";
import { modelOf, tinyNet } from "../support/graphs.ts";
import { collect, labelsOf, npy, pattern, patternAt, pixelsOf } from "../support/images.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/data/${name}`, import.meta.url));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "secateur-arrays-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const open = (path: string, options: Partial<OpenOptions> = {}) =>
  openDataset(`npz:${path}`, { split: "train", ...options });

function writeZip(arrays: Record<string, Uint8Array>): string {
  const file = join(dir, "made.npz");
  writeFileSync(file, zipSync(Object.fromEntries(Object.entries(arrays).map(([key, value]) => [`${key}.npy`, value]))));
  return file;
}

describe("npz", () => {
  it("holds Keras's arrays, uint8 as pixels", async () => {
    const train = await open(fixture("keras.npz"), { normalise: { mean: [0.5], std: [0.25] } });
    expect(train).toMatchObject({ size: 10, classes: 3 });
    const batches = await collect(train, { batchSize: 10 });
    expect(batches[0]!.inputs[""]!.shape).toEqual([10, 1, 4, 5]);
    expect(pixelsOf(batches)).toEqual([...pattern(200)].map((byte) => Math.fround((byte / 255 - 0.5) / 0.25)));
    expect(labelsOf(batches)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    const test = await open(fixture("keras.npz"), { split: "test" });
    expect(labelsOf(await collect(test, { batchSize: 3 }))).toEqual([2, 1, 0, 1]);
  });

  it("augments images, the same way for a seed", async () => {
    const dataset = await open(fixture("keras.npz"), { normalise: presets.none });
    const options = { batchSize: 10, shuffle: true, seed: 4, augment: { crop: 1, flip: true } };
    const [first] = await collect(dataset, options);
    expect(await collect(dataset, options)).toEqual([first]);
    expect(await collect(dataset, { ...options, seed: 5 })).not.toEqual([first]);
    expect(labelsOf([first!]).toSorted()).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
  });

  it("takes channels last for what they are, and gives either layout", async () => {
    const file = fixture("colour.npz");
    const nhwc = await collect(await open(file, { split: "train", normalise: presets.none, layout: "nhwc" }), {
      batchSize: 4,
    });
    expect(nhwc[0]!.inputs[""]!.shape).toEqual([4, 6, 7, 3]);
    // Of classes 0, 1, 2, 0, 1 none has five samples: all are for training.
    expect(pixelsOf(nhwc)).toEqual([...pattern(5 * 6 * 7 * 3)]);
    const nchw = await collect(await open(file, { normalise: presets.none }), { batchSize: 1, limit: 1 });
    expect(nchw[0]!.inputs[""]!.shape).toEqual([1, 3, 6, 7]);
    expect(pixelsOf(nchw)).toEqual(Array.from({ length: 126 }, (_, i) => patternAt((i % 42) * 3 + Math.floor(i / 42))));
    const first = writeZip({ x: npy("|u1", [2, 3, 6, 7], pattern(252)), y: npy("|u1", [2], [0, 1]) });
    const planes = await collect(await open(first, { normalise: presets.none }), { batchSize: 2 });
    expect(planes[0]!.inputs[""]).toEqual({
      dtype: "float32",
      shape: [2, 3, 6, 7],
      data: Float32Array.from(pattern(252)),
    });
    const turned = await collect(await open(first, { layout: "nhwc" }), { batchSize: 2 });
    expect(turned[0]!.inputs[""]!.shape).toEqual([2, 6, 7, 3]);
    const gray = await open(file, { channels: "gray" });
    expect((await collect(gray, { batchSize: 5 }))[0]!.inputs[""]!.shape).toEqual([5, 1, 6, 7]);
  });

  it("gives arrays by the names of inputs, floats in single precision and integers as they are", async () => {
    const dataset = await open(fixture("named.npz"), { split: "train" });
    // No class has five samples but 0, 1, 2: four, three and three.
    expect(dataset).toMatchObject({ size: 10, classes: 3 });
    const [, second] = await collect(dataset, { batchSize: 3 });
    expect(second).toEqual({
      inputs: {
        ids: {
          dtype: "int64",
          shape: [3, 3],
          data: BigInt64Array.from([9, 10, 11, 12, 13, 14, 15, 16, 17].map(BigInt)),
        },
        scale: { dtype: "float32", shape: [3, 2], data: Float32Array.from([6, 7, 8, 9, 10, 11], (i) => i / 19) },
      },
      target: { dtype: "int64", shape: [3], data: BigInt64Array.of(0n, 1n, 2n) },
      size: 3,
    });
    await expect(open(fixture("named.npz"), { split: "test" })).rejects.toThrow(/no class has the 5 samples/);
  });

  it("may hold values instead of labels, or nothing to compare with", async () => {
    const [batch] = await collect(await open(fixture("regression.npz")), { batchSize: 3 });
    expect(batch!.inputs[""]!.shape).toEqual([3, 8]);
    expect(batch!.inputs[""]!.data[1]).toBe(Math.fround(patternAt(1) / 255));
    expect(batch!.target).toEqual({ dtype: "float32", shape: [3, 2], data: Float32Array.of(1, 0, 0, 1, 0, 0) });
    const alone = await open(writeZip({ x: npy("<f4", [10, 2], pattern(20)) }), { split: "test" });
    const [unlabelled] = await collect(alone, { batchSize: 4 });
    expect(unlabelled!.target).toBeUndefined();
    expect([...unlabelled!.inputs[""]!.data]).toEqual([8, 9, 18, 19].map(patternAt));
  });

  it("gives half precision as single, which models of either compute in", async () => {
    const file = writeZip({ x: npy("<f2", [2, 3], [0, 1.5, -2, 0.25, 3, -0.5]), y: npy("<f2", [2, 1], [0.5, -1]) });
    const { g, x, weight, finish } = tinyNet([2, 3]);
    const whole = modelOf(finish(g.MatMul(x, weight("w", [3, 1]))));
    const narrow = <T extends { readonly dtype: string }>(value: T) => ({ ...value, dtype: "float16" as const });
    const { inputs, outputs, initializers } = whole.graph;
    const half = {
      ...whole,
      graph: {
        ...whole.graph,
        inputs: inputs.map(narrow),
        outputs: outputs.map(narrow),
        initializers: new Map(Array.from(initializers, ([name, value]) => [name, narrowTensor(value)])),
      },
    };
    const data = await openDataset(`npz:${file}`, { split: "train" });
    const [batch] = await collect(data, { batchSize: 2 });
    expect(batch!.inputs[""]).toEqual(float32([2, 3], [0, 1.5, -2, 0.25, 3, -0.5]));
    expect(batch!.target).toEqual(float32([2, 1], [0.5, -1]));
    const options = { data, loss: "mse", batchSize: 2, threads: 1 } as const;
    expect((await evaluate(half, options)).loss).toBeCloseTo((await evaluate(whole, options)).loss!, 2);
  });

  it("may be a folder of .npy files", async () => {
    writeFileSync(join(dir, "x_train.npy"), npy("<f4", [2, 1], [3, 4]));
    writeFileSync(join(dir, "y_train.npy"), npy("|u1", [2], [1, 0]));
    const [batch] = await collect(await open(dir), { batchSize: 2 });
    expect([...batch!.inputs[""]!.data]).toEqual([3, 4]);
    expect(labelsOf([batch!])).toEqual([1, 0]);
    await expect(open(dir, { split: "test" })).rejects.toThrow(
      /has no arrays for testing \(x_test, y_test\); it has x_train, y_train/,
    );
  });
});

const floats = npy("<f4", [5, 2], pattern(10));
const ids = npy("|u1", [5], [0, 1, 2, 3, 4]);

describe("what is refused of npz", () => {
  it.each<[string, Record<string, Uint8Array>, RegExp]>([
    [
      "first axes that differ",
      { x: floats, y: npy("|u1", [4], [0, 1, 2, 3]) },
      /the input has 5 samples and target 4; the first axes differ/,
    ],
    ["labels below 0", { x: floats, y: npy("|i1", [5], [0, 1, 255, 0, 1]) }, /sample 2 has label -1/],
    [
      "a target without an axis",
      { x: floats, y: npy("|u1", [], [1]) },
      /has 5 samples and target 0; the first axes differ/,
    ],
    ["two targets", { x: floats, y: ids, target: ids }, /has both target and y|has both y and target/],
    ["no inputs", { y: ids }, /has no inputs; it has y/],
    ["no arrays", {}, /holds no arrays/],
    ["some arrays without a part", { x_train: floats, y: ids }, /y is of no part.*name it like y_train/],
    [
      "two parts for testing",
      { x_train: floats, x_val: floats, x_test: floats },
      /several parts for testing, x_val, x_test/,
    ],
    ["no samples", { x: npy("<f4", [0, 2], []) }, /the input has no samples/],
  ])("%s", async (_, arrays, message) => {
    const split = "x_val" in arrays ? "test" : "train";
    await expect(open(writeZip(arrays), { split })).rejects.toThrow(message);
  });

  it("forms for pixels where there are none, and augmentation", async () => {
    const file = writeZip({ x: floats, y: ids });
    for (const normalise of [{ mean: [1] }, { std: [1] }, { scale: 1 }])
      await expect(open(file, { normalise })).rejects.toThrow(/scale, mean and std are for pixels/);
    await expect(open(file, { channels: "gray" })).rejects.toThrow(/layout and channels are for images/);
    await expect(open(file, { layout: "nhwc" })).rejects.toThrow(/layout and channels are for images/);
    const dataset = await open(file);
    expect(() => dataset.batches({ batchSize: 1, augment: { flip: true } })).toThrow(/augmentation .* is for images/);
  });

  it("numbers that are none", async () => {
    const dataset = await open(writeZip({ x: npy("<f4", [2, 1], [1, NaN]), y: npy("|u1", [2], [0, 1]) }));
    await expect(collect(dataset, { batchSize: 2 })).rejects.toThrow(/holds NaN at element 0 of sample 1/);
  });

  it("files that are missing, cut short or lie about their size", async () => {
    await expect(open(join(dir, "absent.npz"))).rejects.toThrow(/there is no .*absent\.npz/);
    const whole = readFileSync(fixture("keras.npz"));
    for (const length of [0, 10, 500, whole.length - 30]) {
      writeFileSync(join(dir, "short.npz"), whole.subarray(0, length));
      await expect(open(join(dir, "short.npz"))).rejects.toThrow(/short\.npz: not a whole \.npz file/);
    }
    await expect(open(fixture("bomb.npz"))).rejects.toThrow(/x declares 4294967280 bytes, more than its \d+ can hold/);
    // The size in the directory, four bytes at 24 of an entry, says more or less than there is.
    const small = Buffer.from(zipSync({ "x.npy": floats }));
    const entry = small.lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2]));
    for (const declared of [floats.length - 8, floats.length + 8]) {
      small.writeUInt32LE(declared, entry + 24);
      writeFileSync(join(dir, "liar.npz"), small);
      await expect(open(join(dir, "liar.npz"))).rejects.toThrow(
        /is damaged: its checksum|declares \d+ bytes and holds/,
      );
    }
  });

  it("arrays whose bytes are not those that were written, of those that are read", async () => {
    const whole = Buffer.from(zipSync({ "x_train.npy": floats, "y_train.npy": ids }, { level: 0 }));
    const file = join(dir, "damaged.npz");
    const at = whole.indexOf(floats.subarray(-8));
    expect(at).toBeGreaterThan(0);
    for (const bit of [0, 7]) {
      const damaged = Buffer.from(whole);
      damaged[at] = damaged[at]! ^ (1 << bit);
      writeFileSync(file, damaged);
      await expect(open(file)).rejects.toThrow(
        /damaged\.npz: x_train is damaged: its checksum is not that of its bytes/,
      );
    }
    writeFileSync(file, whole);
    expect((await open(file)).size).toBe(5);
  });

  it.each([
    ["objects", /holds pickled Python objects, which are never read/],
    ["fortran", /in Fortran's order; save it with numpy\.ascontiguousarray/],
    ["big-endian", /big-endian numbers; save it with \.astype\("<f4"\)/],
    ["text", /expected one of b1, i1/],
    ["records", /expected one of b1, i1/],
  ])("%s in .npy", async (name, message) => {
    mkdirSync(join(dir, "folder"));
    copyFileSync(fixture(`${name}.npy`), join(dir, "folder", "x.npy"));
    await expect(open(join(dir, "folder"))).rejects.toThrow(message);
  });
});

describe("npy", () => {
  it("reads every version, wherever the bytes lie", () => {
    const wanted: Tensor = { dtype: "float32", shape: [3], data: Float32Array.of(1, 2, 3) };
    const first = npy("<f4", [3], [1, 2, 3]);
    const second = Buffer.concat([first.subarray(0, 6), Uint8Array.of(2, 0, first[8]!, 0, 0, 0), first.subarray(10)]);
    for (const bytes of [first, second])
      expect(parseNpy(new Uint8Array([0, ...bytes]).subarray(1), "f")).toEqual(wanted);
    expect(() => parseNpy(first.subarray(0, -1), "f")).toThrow("f: 11 bytes of elements; float32 [3] needs 12");
    expect(() => parseNpy(new Uint8Array([...first, 0]), "f")).toThrow("f: 13 bytes of elements");
    expect(() => parseNpy(first.subarray(0, 30), "f")).toThrow("f: ends within its header");
    expect(() => parseNpy(first.with(6, 9), "f")).toThrow(/version 9 of \.npy/);
    expect(() => parseNpy(first.with(0, 9), "f")).toThrow(/not a \.npy file/);
    expect(() => parseNpy(npy("<f4", [2 ** 40, 2 ** 40], []), "f")).toThrow(/is too large/);
  });

  it("fails only with its own error, whatever the bytes", () => {
    const whole = npy("<f4", [2, 3], pattern(6));
    const changes = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(changes, fc.nat(whole.length), (changed, length) => {
        const bytes = Uint8Array.from(whole);
        for (const [place, value] of changed) bytes[place] = value;
        try {
          parseNpy(bytes.subarray(0, length), "f");
        } catch (error) {
          expect(error).toBeInstanceOf(SecateurError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("checkClasses", () => {
  it("compares the classes of the data with the outputs of the model", async () => {
    const dataset = await open(fixture("keras.npz"));
    checkClasses(dataset, 3);
    checkClasses(dataset, 0);
    checkClasses({ name: "unknown", batches: dataset.batches }, 1);
    expect(() => checkClasses(dataset, 2)).toThrow(/keras\.npz train" has 3 classes, the model gives 2 outputs/);
  });
});
