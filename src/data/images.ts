/** A set of images held in memory as bytes, handed out as normalised float32 batches. */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { fail } from "../graph/error.ts";
import type { Batch, BatchOptions, CheckedOptions, Dataset } from "./batches.ts";
import { checkOptions } from "./batches.ts";
import type { Normalise } from "./normalise.ts";
import { normalisationTable } from "./normalise.ts";
import { randomStream, shuffle } from "../graph/random.ts";

export interface ImageSource {
  readonly name: string;
  /** [N, C, H, W] in row-major order. */
  readonly images: Uint8Array;
  /** N class ids. */
  readonly labels: Uint8Array | Int32Array;
  /** [C, H, W] of one image. */
  readonly shape: readonly [number, number, number];
  readonly classes: number;
  readonly classNames?: readonly string[];
}

/** An image data set can always be cut into parts. */
export interface ImageDataset extends Dataset {
  readonly size: number;
  readonly classes: number;
  subset(indices: ArrayLike<number>, name: string): ImageDataset;
}

// The purposes that random streams are drawn for, so that no two share one.
const purposes = { order: 1, augment: 2, split: 3 } as const;

/**
 * Batches are float32 [B, C, H, W] under the input name "" with an int64 target [B]. A seed and an
 * epoch decide order and augmentation, whatever the batch size. Padding is black before
 * normalisation, and cropping comes before mirroring, as in torchvision. The bytes are not copied.
 * Fails with `bad-data` where bytes, labels and shape do not fit together.
 */
export function imageDataset(source: ImageSource, normalise?: Normalise): ImageDataset {
  checkSource(source);
  const table = normalisationTable(source.shape[0], normalise);
  return view(
    source,
    table,
    source.name,
    Int32Array.from(source.labels, (_, i) => i),
  );
}

function view(source: ImageSource, table: Float32Array, name: string, indices: Int32Array): ImageDataset {
  return {
    name,
    size: indices.length,
    classes: source.classes,
    ...(source.classNames && { labels: source.classNames }),
    batches: (options) => epoch(source, table, plan(source, name, indices, options)),
    subset(chosen, subsetName) {
      if (chosen.length === 0) fail("bad-option", `data set ${subsetName}: no samples chosen of ${name}`);
      const kept = Int32Array.from(
        chosen,
        (i) => indices[i] ?? fail("bad-option", `data set ${name}: sample ${i} of ${indices.length}`),
      );
      return view(source, table, subsetName, kept);
    },
  };
}

interface Plan {
  readonly options: CheckedOptions;
  /** The samples of the epoch in their order, already cut to `limit` and `dropLast`. */
  readonly order: Int32Array;
}

function plan(source: ImageSource, name: string, indices: Int32Array, given: BatchOptions): Plan {
  const options = checkOptions(name, given);
  const { batchSize, from = 0, to = indices.length, limit = Infinity, dropLast, augment } = options;
  if (from >= to || to > indices.length)
    fail("bad-option", `data set ${name}: no samples from ${from} to ${to}; it has ${indices.length}`);
  const crop = augment?.crop ?? 0;
  const [, height, width] = source.shape;
  if (crop >= Math.min(height, width))
    fail("bad-option", `data set ${name}: crop is ${crop}; images of ${width} x ${height} pixels need less`);
  const order = indices.slice(from, to);
  if (options.shuffle) shuffle(order, randomStream(options.seed, options.epoch, purposes.order));
  const whole = dropLast ? order.length - (order.length % batchSize) : order.length;
  if (whole === 0)
    fail(
      "bad-option",
      `data set ${name}: dropLast leaves nothing of ${order.length} samples at batch size ${batchSize}`,
    );
  return { options, order: order.subarray(0, Math.min(whole, limit * batchSize)) };
}

async function* epoch(source: ImageSource, table: Float32Array, { options, order }: Plan): AsyncGenerator<Batch> {
  const { batchSize, augment, seed } = options;
  const [channels, height, width] = source.shape;
  const pixels = channels * height * width;
  const crop = augment?.crop ?? 0;
  const flip = augment?.flip ?? false;
  const stream = randomStream(seed, options.epoch, purposes.augment);
  for (let at = 0; at < order.length; at += batchSize) {
    const samples = order.subarray(at, at + batchSize);
    const size = samples.length;
    const data = new Float32Array(size * pixels);
    const target = new BigInt64Array(size);
    for (let i = 0; i < size; i++) {
      const sample = samples[i]!;
      target[i] = BigInt(source.labels[sample]!);
      const image = source.images.subarray(sample * pixels, (sample + 1) * pixels);
      const out = data.subarray(i * pixels, (i + 1) * pixels);
      const chosen = crop > 0 || flip ? drawView(stream, crop, flip) : plainView;
      if (chosen.mirrored || chosen.dx !== 0 || chosen.dy !== 0) copyMoved(image, out, source.shape, table, chosen);
      else copyPlain(image, out, channels, table);
    }
    yield {
      inputs: { "": { dtype: "float32", shape: [size, channels, height, width], data } },
      target: { dtype: "int64", shape: [size], data: target },
      size,
    };
  }
}

/** Pixel (x, y) of the result is pixel (x + dx, y + dy) of the image, mirrored afterwards. */
interface View {
  readonly dx: number;
  readonly dy: number;
  readonly mirrored: boolean;
}

const plainView: View = { dx: 0, dy: 0, mirrored: false };

function drawView(stream: RandomGenerator, crop: number, flip: boolean): View {
  const dy = crop > 0 ? uniformInt(stream, -crop, crop) : 0;
  const dx = crop > 0 ? uniformInt(stream, -crop, crop) : 0;
  return { dx, dy, mirrored: flip && uniformInt(stream, 0, 1) === 1 };
}

function copyPlain(image: Uint8Array, out: Float32Array, channels: number, table: Float32Array): void {
  const plane = image.length / channels;
  for (let c = 0; c < channels; c++) {
    const base = c * 256;
    const end = (c + 1) * plane;
    for (let i = c * plane; i < end; i++) out[i] = table[base + image[i]!]!;
  }
}

function copyMoved(
  image: Uint8Array,
  out: Float32Array,
  [channels, height, width]: ImageSource["shape"],
  table: Float32Array,
  { dx, dy, mirrored }: View,
): void {
  const firstX = Math.max(0, -dx);
  const endX = Math.min(width, width - dx);
  const step = mirrored ? -1 : 1;
  for (let c = 0; c < channels; c++) {
    const base = c * 256;
    out.fill(table[base]!, c * height * width, (c + 1) * height * width);
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
      const row = (c * height + y) * width;
      let to = row + (mirrored ? width - 1 - firstX : firstX);
      let from = (c * height + y + dy) * width + firstX + dx;
      for (let x = firstX; x < endX; x++) {
        out[to] = table[base + image[from++]!]!;
        to += step;
      }
    }
  }
}

function checkSource({ name, images, labels, shape, classes, classNames }: ImageSource): void {
  const problems: string[] = [];
  const whole = (value: number): boolean => Number.isSafeInteger(value) && value > 0;
  if (shape.length !== 3 || !shape.every(whole))
    fail("bad-data", `data set ${name}: the shape [${shape.join(", ")}] of an image is not [C, H, W]`);
  const pixels = shape[0] * shape[1] * shape[2];
  if (labels.length === 0) problems.push("no samples");
  if (images.length !== labels.length * pixels)
    problems.push(
      `${images.length} bytes of images are not ${labels.length} (labels) x ${pixels} ([${shape.join(", ")}])`,
    );
  if (!whole(classes)) problems.push(`${classes} classes`);
  if (classNames && classNames.length !== classes) problems.push(`${classNames.length} names for ${classes} classes`);
  const wrong = labels.findIndex((label) => label < 0 || label >= classes);
  if (wrong >= 0) problems.push(`sample ${wrong} has label ${labels[wrong]}; the classes are 0 to ${classes - 1}`);
  if (problems.length > 0) fail("bad-data", `data set ${name}: ${problems.join("; ")}`);
}

/** The samples `from` to `from + count` in stored order, as a data set of their own. */
export function take(dataset: Dataset, count: number, from = 0): Dataset {
  const { size, subset } = addressable(dataset);
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(from) || count < 1 || from < 0 || from + count > size)
    fail("bad-option", `data set ${dataset.name}: cannot take ${count} samples from sample ${from}; it has ${size}`);
  const indices = Int32Array.from({ length: count }, (_, i) => from + i);
  return subset(indices, `${dataset.name}[${from}..${from + count}]`);
}

export interface Split {
  /** What is left to train on. */
  readonly rest: Dataset;
  /** The part put aside, `fraction` of the samples, drawn at random. */
  readonly heldOut: Dataset;
}

/**
 * Puts a random part of the samples aside for validation; the same seed puts the same ones aside.
 * Both parts keep the stored order. Fails with `bad-option` where a part would be empty.
 */
export function split(dataset: Dataset, fraction: number, seed: number): Split {
  const { size, subset } = addressable(dataset);
  const count = Math.round(size * fraction);
  if (!(fraction > 0 && fraction < 1) || count === 0 || count === size)
    fail("bad-option", `data set ${dataset.name}: a part of ${fraction} of ${size} samples leaves one side empty`);
  if (!Number.isSafeInteger(seed)) fail("bad-option", `data set ${dataset.name}: seed is ${seed}, not a whole number`);
  const order = Int32Array.from({ length: size }, (_, i) => i);
  shuffle(order, randomStream(seed, purposes.split));
  return {
    rest: subset(order.slice(count).sort(), `${dataset.name} without the part held out`),
    heldOut: subset(order.slice(0, count).sort(), `${dataset.name}, the part held out`),
  };
}

function addressable(dataset: Dataset): Required<Pick<Dataset, "size" | "subset">> {
  const { size } = dataset;
  if (size === undefined || !dataset.subset)
    fail("bad-option", `data set ${dataset.name} gives its batches in a row and cannot be cut into parts`);
  return { size, subset: (indices, name) => dataset.subset!(indices, name) };
}
