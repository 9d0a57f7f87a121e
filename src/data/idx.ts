/** The idx format of MNIST: two zero bytes, an element type, a rank, big-endian sizes, then the elements. */

import { fail } from "../graph/error.ts";

const unsignedByte = 0x08;

export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * Reads an idx file of unsigned bytes; `data` is a view of `bytes`. Fails with `bad-data` on another
 * magic number, element type or rank, and where the sizes do not fit the length.
 */
export function parseIdx(bytes: Uint8Array, name: string, rank: number): IdxArray {
  const expected = `expected 00 00 08 0${rank}, an idx file of bytes with ${rank} ${rank === 1 ? "axis" : "axes"}`;
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== unsignedByte || bytes[3] !== rank) {
    const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    fail("bad-data", `${name}: starts with ${start === "" ? "nothing" : start}; ${expected}`);
  }
  const header = 4 + 4 * rank;
  if (bytes.length < header) fail("bad-data", `${name}: ends within its header of ${header} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (bytes.length - header !== size)
    fail(
      "bad-data",
      `${name}: ${bytes.length - header} bytes of elements; the sizes [${shape.join(", ")}] need ${size}`,
    );
  return { shape, data: bytes.subarray(header) };
}

/** The bytes of an idx file of unsigned bytes. */
export function formatIdx({ shape, data }: IdxArray): Uint8Array {
  const header = 4 + 4 * shape.length;
  const bytes = new Uint8Array(header + data.length);
  bytes[2] = unsignedByte;
  bytes[3] = shape.length;
  const view = new DataView(bytes.buffer);
  shape.forEach((dim, axis) => view.setUint32(4 + 4 * axis, dim));
  bytes.set(data, header);
  return bytes;
}

export interface LabelledImages {
  /** [N, 1, H, W] */
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
  readonly shape: readonly [1, number, number];
}

interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Reads a pair of idx files. Fails with `bad-data` where counts differ or a label is not below `classes`. */
export function parseMnist(imageFile: NamedBytes, labelFile: NamedBytes, classes: number): LabelledImages {
  const images = parseIdx(imageFile.bytes, imageFile.name, 3);
  const labels = parseIdx(labelFile.bytes, labelFile.name, 1);
  const [count, height, width] = images.shape as [number, number, number];
  const problems: string[] = [];
  if (images.data.length === 0) problems.push(`${imageFile.name}: no images ([${images.shape.join(", ")}])`);
  if (labels.data.length !== count)
    problems.push(`${labelFile.name}: ${labels.data.length} labels for the ${count} images of ${imageFile.name}`);
  const wrong = labels.data.findIndex((label) => label >= classes);
  if (wrong >= 0)
    problems.push(
      `${labelFile.name}: item ${wrong} has label ${labels.data[wrong]}; the classes are 0 to ${classes - 1}`,
    );
  if (problems.length > 0) fail("bad-data", problems.join("\n"));
  return { images: images.data, labels: labels.data, shape: [1, height, width] };
}
