/** Pictures that little nets learn in a second: one quarter of each is bright, and which one is its class. */

import { arrayDataset } from "../../src/data/arrays.ts";
import type { Dataset } from "../../src/data/batches.ts";
import { random } from "./graphs.ts";

/** 16x16 pixels, four classes. */
export function quarters(samples: number, seed = 4): Dataset {
  const next = random(seed);
  const labels = Array.from({ length: samples }, () => Math.floor(next() * 4));
  const pixels = Float32Array.from({ length: samples * 256 }, (_, i) => {
    const [row, column] = [(i >> 4) & 15, i & 15];
    return ((row >> 3) * 2 + (column >> 3) === labels[i >> 8] ? 1 : 0) + next() * 0.5;
  });
  return arrayDataset({
    name: "quarters",
    inputs: { "": { dtype: "float32", shape: [samples, 1, 16, 16], data: pixels } },
    target: { dtype: "int64", shape: [samples], data: BigInt64Array.from(labels, BigInt) },
  });
}
