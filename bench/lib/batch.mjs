/** The batch that all sides run: noise and labels by a fixed seed, in files. */

import { existsSync, writeFileSync } from "node:fs";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export function writeBatch(folder, { batch, size, classes }) {
  const inputs = `${folder}/x-${size}-${batch}.bin`;
  if (!existsSync(inputs)) {
    const random = xoroshiro128plus(1);
    // A sum of uniforms with mean 0 and variance 1, near enough to normal.
    const draw = () =>
      uniformFloat64(random) + uniformFloat64(random) + uniformFloat64(random) + uniformFloat64(random) - 2;
    writeFileSync(
      inputs,
      Float32Array.from({ length: batch * 3 * size * size }, () => draw() * Math.sqrt(3)),
    );
  }
  const labels = `${folder}/y-${classes}-${batch}.bin`;
  const random = xoroshiro128plus(2);
  writeFileSync(
    labels,
    BigInt64Array.from({ length: batch }, () => BigInt(uniformInt(random, 0, classes - 1))),
  );
}
