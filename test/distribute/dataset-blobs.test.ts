/** A data set that was packed gives the bytes of the one that it was packed from. */

import { describe, expect, it } from "vitest";
import type { BatchOptions, Dataset } from "../../src/data/batches.ts";
import { arrayDataset } from "../../src/data/arrays.ts";
import { imageDataset, pixelDataset } from "../../src/data/images.ts";
import { split, take } from "../../src/data/splits.ts";
import { sha256 } from "../../src/distribute/digest.ts";
import { packedData, packDataset, unpackDataset } from "../../src/distribute/dataset-blobs.ts";
import { random } from "../support/graphs.ts";

const next = random(5);
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(next() * 256));

/** Packs and unpacks, and counts what was read. */
async function travel(dataset: Dataset) {
  const blobs = new Map<string, Uint8Array>();
  const packed = await packDataset(dataset, async (one) => {
    const digest = await sha256(one);
    blobs.set(digest, one.slice());
    return digest;
  });
  const read: number[] = [];
  const about = packedData.parse(JSON.parse(JSON.stringify(packed.about)));
  const there = await unpackDataset(about, {
    targets: async () => blobs.get(packed.targets!)!,
    async chunk(index) {
      read.push(index);
      return blobs.get(packed.chunks[index]!)!;
    },
  });
  return { there, read, chunks: packed.chunks.length, blobs };
}

async function all(dataset: Dataset, options: BatchOptions) {
  const found = [];
  for await (const batch of dataset.batches(options)) found.push(batch);
  return found;
}

const orders: readonly BatchOptions[] = [
  { batchSize: 7 },
  { batchSize: 5, shuffle: true, seed: 3, epoch: 2 },
  { batchSize: 4, shuffle: true, seed: 1, limit: 2, dropLast: true },
];

async function expectSame(here: Dataset, more: readonly BatchOptions[] = []): Promise<void> {
  const { there } = await travel(here);
  const known = ({ name, size, classes, labels, classList, form }: Dataset) =>
    JSON.stringify({ name, size, classes, labels, classList, form });
  expect(known(there)).toBe(known(here));
  for (const options of [...orders, ...more]) expect(await all(there, options)).toEqual(await all(here, options));
  const [one, other] = [split(here, 0.3, 9), split(there, 0.3, 9)];
  expect(await all(other.heldOut, orders[1]!)).toEqual(await all(one.heldOut, orders[1]!));
}

const images = (count: number, [channels, height, width]: readonly [number, number, number] = [3, 6, 5]) =>
  imageDataset(
    {
      name: "drawn",
      images: bytes(count * channels * height * width),
      labels: Uint8Array.from({ length: count }, (_, i) => i % 4),
      shape: [channels, height, width],
      classes: 4,
      classNames: ["a", "b", "c", "d"],
    },
    { mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25], layout: "nhwc" },
  );

describe("a data set that was packed", () => {
  it("has the pictures of the other, also where they are moved, and in parts", async () => {
    const augment = { crop: 2, flip: true };
    await expectSame(images(23), [{ batchSize: 6, shuffle: true, seed: 2, epoch: 1, augment }]);
    await expectSame(take(images(23), 11, 4));
  });

  it("leaves out what cannot be read, and moves masks with their pictures", async () => {
    const pictures = Array.from({ length: 17 }, () => ({ image: bytes(3 * 36), mask: bytes(36) }));
    const read = (indices: Int32Array) => Array.from(indices, (i) => (i % 5 === 2 ? undefined : pictures[i]));
    const dataset = pixelDataset({ name: "holes", size: 17, shape: [3, 6, 6], read }, {});
    await expectSame(dataset, [{ batchSize: 4, augment: { flip: true }, seed: 4 }]);
  });

  it("has the inputs and the targets of the other", async () => {
    const floats = Float32Array.from({ length: 19 * 6 }, () => next());
    await expectSame(
      arrayDataset({
        name: "rows",
        inputs: {
          a: { dtype: "float32", shape: [19, 2, 3], data: floats },
          b: { dtype: "int64", shape: [19, 1], data: BigInt64Array.from({ length: 19 }, (_, i) => BigInt(i)) },
        },
        targets: { y: { dtype: "float32", shape: [19, 6], data: floats } },
      }),
    );
  });

  it("reads the chunks that are asked for, and those once", async () => {
    const { there, read, chunks } = await travel(images(400, [3, 160, 160]));
    expect([chunks, read]).toEqual([4, []]);
    await all(there, { batchSize: 50, limit: 1 });
    expect(read).toEqual([0]);
    await all(there, { batchSize: 50, shuffle: true });
    expect(read.toSorted()).toEqual([0, 1, 2, 3]);
  });

  it("refuses data that gives its batches in a row, and chunks of another data set", async () => {
    const { batches } = images(8);
    await expect(packDataset({ name: "stream", batches }, sha256)).rejects.toThrow(
      "data set stream gives its batches in a row and does not travel: write its samples to a .npz file",
    );
    const { about } = await packDataset(images(8), sha256);
    const { blobs } = await travel(images(9));
    const [targets, chunk] = [...blobs.values()];
    const there = await unpackDataset(about, { targets: async () => targets!, chunk: async () => chunk! });
    await expect(all(there, { batchSize: 2 })).rejects.toThrow("chunk 0 has 9 samples");
  });
});
