/** Encoded images and arrays for tests, and what a data set gives, gathered. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import sharp from "sharp";
import type { Batch, BatchOptions, Dataset } from "../../src/data/batches.ts";
import { toHalf } from "../../src/graph/half.ts";

/** The byte at a place of a flat array, as scripts/reference/data_files.py has it. */
export const patternAt = (i: number): number => (i * i * 31 + i * 7 + (i >> 5)) & 255;

export const pattern = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => patternAt(i));

/** Writes an image of [height, width, 3] bytes in the format that its name says. */
export async function writeImage(
  path: string,
  pixels: Uint8Array,
  [height, width]: readonly [number, number],
): Promise<void> {
  const channels = (pixels.length / (height * width)) as 1 | 3 | 4;
  mkdirSync(dirname(path), { recursive: true });
  const image = sharp(pixels, { raw: { height, width, channels } });
  writeFileSync(path, await image.toFormat(formatOf(path), { lossless: path.endsWith(".webp") }).toBuffer());
}

const formatOf = (path: string) =>
  path
    .slice(path.lastIndexOf(".") + 1)
    .toLowerCase()
    .replace(/^jpg$/, "jpeg") as "png" | "jpeg" | "gif" | "tiff" | "avif" | "webp";

/** An image of one colour. */
export const plain = (colour: readonly number[], [height, width]: readonly [number, number]): Uint8Array =>
  Uint8Array.from({ length: height * width * colour.length }, (_, i) => colour[i % colour.length]!);

export async function collect(dataset: Dataset, options: BatchOptions): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of dataset.batches(options)) batches.push(batch);
  return batches;
}

export const pixelsOf = (batches: readonly Batch[]): number[] =>
  batches.flatMap(({ inputs }) => [...(inputs[""]!.data as Float32Array)]);

export const labelsOf = (batches: readonly Batch[]): number[] =>
  batches.flatMap(({ target }) => [...(target!.data as BigInt64Array)].map(Number));

/** The bytes of a .npy file of floats or of numbers of one byte. */
export function npy(
  descr: "<f4" | "<f2" | "|u1" | "|i1" | "|b1",
  shape: readonly number[],
  data: ArrayLike<number>,
): Uint8Array {
  const sizes = shape.map((dim) => `${dim},`).join(" ");
  const header = new TextEncoder().encode(`{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }\n`);
  const start = Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length, 0);
  const floats = { "<f4": Float32Array.from(data), "<f2": Uint16Array.from(data, toHalf) };
  const array = descr === "<f4" || descr === "<f2" ? floats[descr] : Uint8Array.from(data);
  return Buffer.concat([start, header, new Uint8Array(array.buffer)]);
}
