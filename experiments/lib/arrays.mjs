/** A part of a data set as a folder of NumPy arrays, which is what `--data npz:` takes. */

import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { openDataset, take } from "../../dist/node.js";

/** An array of bytes in the form of NumPy, version 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
function npy(shape, bytes) {
  const said = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const header = Buffer.from(`${said.padEnd(Math.ceil((said.length + 11) / 64) * 64 - 11)}\n`, "latin1");
  const magic = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([magic, header, bytes]);
}

/**
 * The first images of both parts of a data set, as bytes.
 *
 * @param {string} spec as `--data` takes it
 * @param {string} folder is made, unless it is there
 * @param {Record<"train" | "test", number>} counts
 */
export async function writePart(spec, folder, counts) {
  if (existsSync(folder)) return;
  const making = `${folder}.part`;
  mkdirSync(making, { recursive: true });
  for (const [split, count] of Object.entries(counts)) {
    const data = take(await openDataset(spec, { split, normalise: { scale: 1 } }), count);
    for await (const { inputs, target } of data.batches({ batchSize: count })) {
      const [{ shape, data: pixels }] = Object.values(inputs);
      writeFileSync(`${making}/x_${split}.npy`, npy(shape, Uint8Array.from(pixels)));
      writeFileSync(`${making}/y_${split}.npy`, npy([count], Uint8Array.from(target.data, Number)));
    }
  }
  renameSync(making, folder);
}
