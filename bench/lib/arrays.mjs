/** Arrays in files of raw numbers, as all sides read and write them. */

import { readFileSync, writeFileSync } from "node:fs";

const typed = { float32: Float32Array, int64: BigInt64Array };

/** The numbers of a file as a tensor. */
export function readTensor(path, dtype, shape) {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return { dtype, shape, data: new typed[dtype](buffer.slice(byteOffset, byteOffset + byteLength)) };
}

/** Puts arrays of float32 with their names, one behind the other, into a file; what a side answers to "results". */
export function writeResults(path, all) {
  writeFileSync(path, Buffer.concat(all.map(([, data]) => new Uint8Array(Float32Array.from(data).buffer))));
  return { path, names: all.map(([name]) => name), sizes: all.map(([, data]) => data.length) };
}

/** Arrays by name of what a side wrote. */
export function readResults({ path, names, sizes }) {
  const { buffer, byteOffset } = readFileSync(path);
  const found = new Map();
  let at = byteOffset;
  names.forEach((name, i) => {
    found.set(name, new Float32Array(buffer.slice(at, at + 4 * sizes[i])));
    at += 4 * sizes[i];
  });
  return found;
}
