import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Batch, BatchOptions, Dataset } from "../../src/data/batches.ts";
import type { ImageSource } from "../../src/data/images.ts";
import { imageDataset } from "../../src/data/images.ts";
import { split, take } from "../../src/data/splits.ts";

const scale = 1 / 255;
const mean = [0.4914, 0.4822, 0.4465];
const std = [0.247, 0.2435, 0.2616];

/** Bytes without a pattern that a wrong offset could repeat. */
function source(count: number, shape: ImageSource["shape"] = [3, 5, 4]): ImageSource {
  const images = Uint8Array.from(
    { length: count * shape[0] * shape[1] * shape[2] },
    (_, i) => (i * i * 31 + i * 7 + (i >> 5)) & 255,
  );
  return {
    name: "small",
    images,
    labels: Int32Array.from({ length: count }, (_, i) => i % 10),
    shape,
    classes: 10,
  };
}

async function collect(dataset: Dataset, options: BatchOptions): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of dataset.batches(options)) batches.push(batch);
  return batches;
}

const pixelsOf = (batches: Batch[]): number[] =>
  batches.flatMap(({ inputs }) => [...(inputs[""]!.data as Float32Array)]);
const labelsOf = (batches: Batch[]): number[] =>
  batches.flatMap(({ target }) => [...(target!.data as BigInt64Array)].map(Number));

describe("plain batches", () => {
  it("hold (x * scale - mean) / std in the stored order", async () => {
    const set = source(7);
    const batches = await collect(imageDataset(set, { scale, mean, std }), { batchSize: 3 });
    expect(batches.map(({ size }) => size)).toEqual([3, 3, 1]);
    expect(batches[0]!.inputs[""]!.shape).toEqual([3, 3, 5, 4]);
    expect(batches[0]!.target).toMatchObject({ dtype: "int64", shape: [3] });
    const expected = [...set.images].map((x, i) => {
      const c = Math.floor(i / 20) % 3;
      return Math.fround((x * scale - mean[c]!) / std[c]!);
    });
    expect(pixelsOf(batches)).toEqual(expected);
    expect(labelsOf(batches)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("scale to 0..1 unless told otherwise, and keep bytes at scale 1", async () => {
    const set = source(2);
    const asIs = pixelsOf(await collect(imageDataset(set, { scale: 1 }), { batchSize: 2 }));
    expect(asIs).toEqual([...set.images]);
    const unit = pixelsOf(await collect(imageDataset(set), { batchSize: 2 }));
    expect(unit).toEqual([...set.images].map((x) => Math.fround(x / 255)));
  });

  it("are the caller's own", async () => {
    const dataset = imageDataset(source(4));
    const [first] = await collect(dataset, { batchSize: 4 });
    (first!.inputs[""]!.data as Float32Array).fill(9);
    expect(pixelsOf(await collect(dataset, { batchSize: 4 }))).not.toContain(9);
  });

  it("keep to limit, dropLast and range", async () => {
    const dataset = imageDataset(source(10));
    expect(labelsOf(await collect(dataset, { batchSize: 4, limit: 1 }))).toEqual([0, 1, 2, 3]);
    expect(labelsOf(await collect(dataset, { batchSize: 4, dropLast: true }))).toHaveLength(8);
    expect(labelsOf(await collect(dataset, { batchSize: 2, from: 5, to: 8 }))).toEqual([5, 6, 7]);
    const shuffled = labelsOf(await collect(dataset, { batchSize: 2, from: 5, to: 8, shuffle: true }));
    expect(shuffled.sort()).toEqual([5, 6, 7]);
  });
});

describe("shuffling", () => {
  const dataset = imageDataset({
    ...source(60),
    labels: Int32Array.from({ length: 60 }, (_, i) => i),
    classes: 60,
  });
  const order = async (options: Partial<BatchOptions>): Promise<number[]> =>
    labelsOf(await collect(dataset, { batchSize: 7, shuffle: true, ...options }));

  it("depends on seed and epoch alone and keeps every sample", async () => {
    const first = await order({ seed: 1, epoch: 2 });
    expect(await order({ seed: 1, epoch: 2 })).toEqual(first);
    expect(await order({ seed: 1, epoch: 2, batchSize: 13 })).toEqual(first);
    expect(await order({ seed: 2, epoch: 1 })).not.toEqual(first);
    expect(await order({ seed: 1, epoch: 3 })).not.toEqual(first);
    expect(await order({ seed: 1 + 2 ** 32, epoch: 2 })).not.toEqual(first);
    expect(first.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(first).not.toEqual(first.toSorted((a, b) => a - b));
  });

  it("carries each image along with its label", async () => {
    const set = source(30, [1, 2, 2]);
    const batches = await collect(
      imageDataset({ ...set, labels: Int32Array.from({ length: 30 }, (_, i) => i), classes: 30 }, { scale: 1 }),
      {
        batchSize: 30,
        shuffle: true,
      },
    );
    const labels = labelsOf(batches);
    const pixels = pixelsOf(batches);
    labels.forEach((label, i) =>
      expect(pixels.slice(i * 4, i * 4 + 4)).toEqual([...set.images.subarray(label * 4, label * 4 + 4)]),
    );
  });

  it("puts every sample first about equally often", async () => {
    const small = imageDataset(source(5));
    const counts = [0, 0, 0, 0, 0];
    for (let epoch = 0; epoch < 1000; epoch++) {
      const [first] = labelsOf(await collect(small, { batchSize: 1, limit: 1, shuffle: true, epoch }));
      counts[first!]!++;
    }
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(60);
  });
});

/** Pads with black, cuts out at (dx, dy), then mirrors: pixel by pixel, as a definition. */
function moved(
  image: Uint8Array,
  [channels, height, width]: ImageSource["shape"],
  pad: number,
  dx: number,
  dy: number,
  mirrored: boolean,
): number[] {
  const out: number[] = [];
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const sx = (mirrored ? width - 1 - x : x) + dx - pad;
        const sy = y + dy - pad;
        const inside = sx >= 0 && sx < width && sy >= 0 && sy < height;
        const value = inside ? image[(c * height + sy) * width + sx]! : 0;
        out.push(Math.fround((value * scale - mean[c]!) / std[c]!));
      }
  return out;
}

describe("augmentation", () => {
  it("gives only views that the definition gives, and in time all of them", async () => {
    const set = source(1);
    const pad = 2;
    const views = new Map<string, number>();
    for (let dy = 0; dy <= 2 * pad; dy++)
      for (let dx = 0; dx <= 2 * pad; dx++)
        for (const mirrored of [false, true]) views.set(moved(set.images, set.shape, pad, dx, dy, mirrored).join(), 0);
    expect(views.size).toBe(50);
    const dataset = imageDataset(set, { scale, mean, std });
    for (let epoch = 0; epoch < 1000; epoch++) {
      const seen = pixelsOf(await collect(dataset, { batchSize: 1, epoch, augment: { crop: pad, flip: true } })).join();
      expect(views.has(seen)).toBe(true);
      views.set(seen, views.get(seen)! + 1);
    }
    for (const count of views.values()) expect(count).toBeGreaterThan(3);
  });

  it("mirrors about half of the images and nothing else when only flipping", async () => {
    const set = source(400, [3, 2, 3]);
    const seen = pixelsOf(
      await collect(imageDataset(set, { scale, mean, std }), {
        batchSize: 400,
        augment: { flip: true },
      }),
    );
    let mirrored = 0;
    for (let i = 0; i < 400; i++) {
      const image = set.images.subarray(i * 18, i * 18 + 18);
      const own = seen.slice(i * 18, i * 18 + 18).join();
      if (own === moved(image, set.shape, 0, 0, 0, true).join()) mirrored++;
      else expect(own).toBe(moved(image, set.shape, 0, 0, 0, false).join());
    }
    expect(mirrored).toBeGreaterThan(150);
    expect(mirrored).toBeLessThan(250);
  });

  it("is the same for a seed and epoch at any batch size", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat(500), fc.integer({ min: 1, max: 9 }), async (seed, epoch, batchSize) => {
        const dataset = imageDataset(source(9));
        const options = { seed, epoch, shuffle: true, augment: { crop: 1, flip: true } };
        const whole = pixelsOf(await collect(dataset, { ...options, batchSize: 9 }));
        expect(pixelsOf(await collect(dataset, { ...options, batchSize }))).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  });
});

describe("parts", () => {
  const dataset = imageDataset({
    ...source(50),
    labels: Int32Array.from({ length: 50 }, (_, i) => i),
    classes: 50,
  });

  it("take gives a range", async () => {
    expect(labelsOf(await collect(take(dataset, 3, 10), { batchSize: 9 }))).toEqual([10, 11, 12]);
    expect(() => take(dataset, 3, 48)).toThrow(/cannot take 3 samples from sample 48; it has 50/);
  });

  it("split parts the samples, the same way for a seed", async () => {
    const parts = split(dataset, 0.2, 7);
    const rest = labelsOf(await collect(parts.rest, { batchSize: 50 }));
    const held = labelsOf(await collect(parts.heldOut, { batchSize: 50 }));
    expect([rest.length, held.length]).toEqual([40, 10]);
    expect([...rest, ...held].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(rest).toEqual(rest.toSorted((a, b) => a - b));
    expect(labelsOf(await collect(split(dataset, 0.2, 7).heldOut, { batchSize: 50 }))).toEqual(held);
    expect(labelsOf(await collect(split(dataset, 0.2, 8).heldOut, { batchSize: 50 }))).not.toEqual(held);
    const again = labelsOf(await collect(split(parts.rest, 0.5, 1).heldOut, { batchSize: 50 }));
    expect(again.every((label) => rest.includes(label))).toBe(true);
  });

  it("split refuses an empty side and a set without indices", () => {
    for (const fraction of [0, 1, -1, NaN, 0.001]) expect(() => split(dataset, fraction, 0)).toThrow(/one side empty/);
    const stream: Dataset = { name: "stream", batches: (options) => dataset.batches(options) };
    expect(() => split(stream, 0.5, 0)).toThrow(/stream gives its batches in a row/);
  });
});

describe("what is refused", () => {
  it("bytes, labels and shapes that do not fit", () => {
    const good = source(4);
    expect(() => imageDataset({ ...good, images: good.images.subarray(1) })).toThrow(
      /239 bytes of images are not 4 \(labels\) x 60/,
    );
    expect(() => imageDataset({ ...good, labels: Int32Array.of(0, 1, -1, 3) })).toThrow(
      /sample 2 has label -1; the classes are 0 to 9/,
    );
    expect(() => imageDataset({ ...good, labels: Uint8Array.of(0, 10, 1, 3) })).toThrow(/sample 1 has label 10/);
    expect(() => imageDataset({ ...good, shape: [3, 0, 4] })).toThrow(/\[3, 0, 4\]/);
    expect(() => imageDataset({ ...good, images: new Uint8Array(), labels: new Uint8Array() })).toThrow(/no samples/);
  });

  it("normalisation that does not fit the channels", () => {
    expect(() => imageDataset(source(1), { mean: [1, 2], std: [0, 1, NaN] })).toThrow(
      /mean has 2 values for 3 channels.*std holds 0; std holds NaN/,
    );
    expect(() => imageDataset(source(1), { scale: 0 })).toThrow(/scale is 0/);
  });

  it("options, at once and together", () => {
    const dataset = imageDataset(source(4));
    expect(() => dataset.batches({ batchSize: 0, epoch: -1, seed: 0.5 })).toThrow(
      /batchSize is 0.*seed is 0\.5.*epoch is -1/,
    );
    expect(() => dataset.batches({ batchSize: 8, dropLast: true })).toThrow(/dropLast leaves nothing of 4 samples/);
    expect(() => dataset.batches({ batchSize: 1, augment: { crop: 4 } })).toThrow(/crop is 4; images of 4 x 5/);
    expect(() => dataset.batches({ batchSize: 1, from: 2, to: 9 })).toThrow(/no samples from 2 to 9; it has 4/);
  });
});
