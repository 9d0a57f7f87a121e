/** What PyTorch computed of a network of the zoo: NAME.json and NAME.bin, as export.py writes them. */

import { readFileSync } from "node:fs";

/** The header of a network: what it is, and where its arrays lie. */
export const readHeader = (path) => JSON.parse(readFileSync(`${path}.json`, "utf8"));

/** Opens the arrays of a network; each is a tensor. */
export function openArrays(path) {
  const bytes = readFileSync(`${path}.bin`);
  return ({ shape, offset, dtype = "float32" }) => {
    const [kind, width] = dtype === "int64" ? [BigInt64Array, 8] : [Float32Array, 4];
    const count = shape.reduce((n, dim) => n * dim, 1);
    const own = new Uint8Array(bytes.subarray(offset, offset + count * width));
    return { dtype, shape, data: new kind(own.buffer) };
  };
}

const buckets = 1 << 16;

/** Sums of values in buckets with random signs, as export.py makes them of gradients that are too large to store. */
export function sketch(values) {
  const sums = new Float64Array(buckets);
  for (let i = 0; i < values.length; i++) {
    let h = Math.imul(i, 2654435761);
    h ^= h >>> 15;
    h = Math.imul(h, 2246822519);
    h ^= h >>> 13;
    sums[h >>> 16] += h & 1 ? values[i] : -values[i];
  }
  return sums;
}

export function norm(values) {
  let sum = 0;
  for (const value of values) sum += value ** 2;
  return Math.sqrt(sum);
}

/** The norm of the difference over the norm of what was expected. */
export function relativeError(actual, expected) {
  if (actual.length !== expected.length) return Number.NaN;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference += (actual[i] - expected[i]) ** 2;
  return Math.sqrt(difference) / norm(expected);
}
