import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cifar10 } from "../../src/data/cifar10-node.ts";
import { parseCifar10 } from "../../src/data/cifar10.ts";
import { formatIdx, parseIdx, parseMnist } from "../../src/data/idx.ts";
import { mnist } from "../../src/data/mnist-node.ts";
import { openDataset } from "../../src/data/spec-node.ts";
import { findMissing, writeChecked } from "../../src/data/store-node.ts";
import { fetchMnist } from "../../src/data/fetch-node.ts";
import { SecateurError } from "../../src/graph/error.ts";
import { laws } from "../support/laws.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "secateur-test-"));
});
afterEach(() => rm(dir, { recursive: true }));

function record(label: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(3073).fill(fill);
  bytes[0] = label;
  bytes[3072] = fill + 1;
  return bytes;
}

describe("CIFAR-10", () => {
  it("reads records across files in order", () => {
    const two = Buffer.concat([record(3, 10), record(9, 20)]);
    const { images, labels } = parseCifar10([
      { name: "a", bytes: two },
      { name: "b", bytes: record(0, 30) },
    ]);
    expect([...labels]).toEqual([3, 9, 0]);
    expect(images).toHaveLength(3 * 3072);
    expect([0, 3071, 3072, 6143, 6144, 9215].map((i) => images[i])).toEqual([10, 11, 20, 21, 30, 31]);
  });

  it("names file and record of what is wrong", () => {
    const bad = Buffer.concat([record(1, 0), record(10, 0)]);
    expect(() => parseCifar10([{ name: "x.bin", bytes: bad }])).toThrow(
      "x.bin: record 1 has label 10; CIFAR-10 has 0 to 9",
    );
    expect(() => parseCifar10([{ name: "x.bin", bytes: bad.subarray(0, 4000) }])).toThrow(
      /x\.bin: 4000 bytes.*within record 1/,
    );
    expect(() => parseCifar10([{ name: "x.bin", bytes: new Uint8Array() }])).toThrow(/x\.bin: 0 bytes/);
  });

  it("reads a folder, says how to fetch what is missing and refuses a short file", async () => {
    await expect(cifar10(dir, "train")).rejects.toThrow(`"secateur data cifar10 ${dir}" fetches`);
    await expect(cifar10(dir, "train")).rejects.toThrow(/data_batch_1\.bin, .*data_batch_5\.bin/);
    const file = new Uint8Array(30_730_000);
    file[3073 * 9999] = 7;
    await writeFile(join(dir, "test_batch.bin"), file);
    const dataset = await cifar10(dir, "test", { scale: 1 });
    expect(dataset).toMatchObject({ name: "cifar10 test", size: 10_000, classes: 10 });
    expect(dataset.labels?.[7]).toBe("horse");
    for await (const batch of dataset.batches({ batchSize: 2, from: 9998 })) {
      expect(batch.target!.data).toEqual(BigInt64Array.of(0n, 7n));
      expect(batch.inputs[""]?.shape).toEqual([2, 3, 32, 32]);
    }
    await writeFile(join(dir, "test_batch.bin"), file.subarray(0, 3073 * 5));
    await expect(cifar10(dir, "test")).rejects.toThrow(/test_batch\.bin: 15365 bytes.*ends at record 5/);
  });
});

const images = formatIdx({ shape: [3, 2, 2], data: Uint8Array.from({ length: 12 }, (_, i) => i) });
const labels = formatIdx({ shape: [3], data: Uint8Array.of(5, 0, 9) });

describe("idx", () => {
  it("reads hand-made bytes", () => {
    const bytes = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6);
    expect(parseIdx(bytes, "f", 2)).toEqual({
      shape: [2, 3],
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
    expect(formatIdx({ shape: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) })).toEqual(bytes);
    const offset = new Uint8Array([99, ...bytes]).subarray(1);
    expect(parseIdx(offset, "f", 2).data).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
  });

  it("refuses other magic numbers, ranks and lengths", () => {
    expect(() => parseIdx(labels, "f", 3)).toThrow("f: starts with 00 00 08 01; expected 00 00 08 03");
    expect(() => parseIdx(Uint8Array.of(0x1f, 0x8b, 8, 0), "f", 3)).toThrow(/starts with 1f 8b 08 00/);
    expect(() => parseIdx(new Uint8Array(), "f", 1)).toThrow(/starts with nothing/);
    expect(() => parseIdx(images.subarray(0, 10), "f", 3)).toThrow(/ends within its header/);
    expect(() => parseIdx(images.subarray(0, 20), "f", 3)).toThrow(
      /4 bytes of elements; the sizes \[3, 2, 2\] need 12/,
    );
    const huge = Uint8Array.of(0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255);
    expect(() => parseIdx(huge, "f", 3)).toThrow(/0 bytes of elements/);
  });

  it("fails only with its own error, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(1, 3), (bytes, rank) => {
        const framed = Uint8Array.from([0, 0, 8, rank, ...bytes]);
        for (const input of [bytes, framed])
          try {
            expect(parseIdx(input, "f", rank).shape).toHaveLength(rank);
          } catch (error) {
            expect(error).toBeInstanceOf(SecateurError);
          }
      }),
    );
  });

  it("checks counts and labels together", () => {
    const four = formatIdx({ shape: [4], data: Uint8Array.of(1, 2, 10, 3) });
    expect(() => parseMnist({ name: "i", bytes: images }, { name: "l", bytes: four }, 10)).toThrow(
      "l: 4 labels for the 3 images of i\nl: item 2 has label 10; the classes are 0 to 9",
    );
  });
});

describe("MNIST folders", () => {
  it.each([
    ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
    ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"],
    ["t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte.gz"],
  ])("are read from %s and %s", async (imageFile, labelFile) => {
    const pack = (name: string, bytes: Uint8Array): Uint8Array => (name.endsWith(".gz") ? gzipSync(bytes) : bytes);
    await writeFile(join(dir, imageFile), pack(imageFile, images));
    await writeFile(join(dir, labelFile), pack(labelFile, labels));
    const dataset = await openDataset(`mnist:${dir}`, { split: "test", normalise: { scale: 1 } });
    for await (const batch of dataset.batches({ batchSize: 3 })) {
      expect(batch.inputs[""]).toEqual({
        dtype: "float32",
        shape: [3, 1, 2, 2],
        data: Float32Array.from({ length: 12 }, (_, i) => i),
      });
      expect(batch.target!.data).toEqual(BigInt64Array.of(5n, 0n, 9n));
    }
    await expect(mnist(dir, "train")).rejects.toThrow(/train-images-idx3-ubyte and no train-labels-idx1-ubyte/);
  });

  it("refuse broken gzip", async () => {
    await writeFile(join(dir, "t10k-images-idx3-ubyte.gz"), gzipSync(images).subarray(0, 20));
    await writeFile(join(dir, "t10k-labels-idx1-ubyte"), labels);
    await expect(mnist(dir, "test")).rejects.toThrow(/t10k-images-idx3-ubyte\.gz: not a whole gzip file/);
  });

  const real = fileURLToPath(new URL("../../../shared/data/mnist", import.meta.url));
  it.skipIf(!existsSync(real))("read MNIST itself (skipped where it is not at hand)", laws, async () => {
    const [train, test] = await Promise.all([mnist(real, "train"), mnist(real, "test")]);
    expect([train.size, test.size]).toEqual([60_000, 10_000]);
    const firstLabels: number[] = [];
    let sum = 0;
    for await (const batch of train.batches({ batchSize: 8, limit: 1 })) {
      firstLabels.push(...Array.from(batch.target!.data as BigInt64Array, Number));
    }
    for await (const batch of train.batches({ batchSize: 10_000 }))
      for (const value of batch.inputs[""]!.data as Float32Array) sum += value;
    expect(firstLabels).toEqual([5, 0, 4, 1, 9, 2, 1, 3]);
    expect(sum / (60_000 * 784)).toBeCloseTo(0.1307, 4);
  });
});

describe("openDataset", () => {
  it("lists the kinds and says what is missing", async () => {
    const forms = "cifar10:DIR, mnist:DIR, folder:DIR, csv:FILE.csv, parquet:DIR, npz:FILE.npz, module:FILE.mjs";
    await expect(openDataset("imagenet:x", { split: "train" })).rejects.toThrow(
      `unknown kind "imagenet"; give one of ${forms}`,
    );
    await expect(openDataset("toString:x", { split: "train" })).rejects.toThrow(/unknown kind "toString"/);
    await expect(openDataset("cifar10", { split: "train" })).rejects.toThrow(/no path; give cifar10:DIR/);
  });
});

describe("fetched files", () => {
  const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  const hello = new TextEncoder().encode("hello");

  it("are written only with the right checksum", async () => {
    await writeChecked(join(dir, "new"), "a", hello, sum);
    expect(await findMissing(join(dir, "new"), { a: sum, b: sum })).toEqual(["b"]);
    await expect(writeChecked(dir, "b", hello, "00")).rejects.toThrow(/b: sha256 is 2cf24d.* instead of 00/);
    expect(await findMissing(dir, { b: sum })).toEqual(["b"]);
    expect(await readdir(dir)).toEqual(["new"]);
    await expect(writeChecked(join(dir, "new", "a"), "c", hello, sum)).rejects.toThrow(/cannot make the folder .*a: /);
  });

  it("never replace files of another origin", async () => {
    await writeFile(join(dir, "train-images-idx3-ubyte"), "mine");
    await expect(fetchMnist(dir)).rejects.toThrow(/already has train-images-idx3-ubyte with other content/);
    await rm(join(dir, "train-images-idx3-ubyte"));
    await writeFile(join(dir, "t10k-labels-idx1-ubyte.gz"), "mine");
    await expect(fetchMnist(dir)).rejects.toThrow(/already has t10k-labels-idx1-ubyte\.gz/);
  });
});
