/** The samples that all sides run: noise and labels by a fixed seed, in files. */

import { existsSync, writeFileSync } from "node:fs";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** The edge of the squares that the pattern of a class is made of. */
const square = 8;

/**
 * Writes images and labels, and gives their files.
 *
 * @param {string} folder
 * @param {{ samples: number, channels: number, size: number, classes: number, pattern?: number }} options `pattern` is how strongly an image
 *   shows its class, in standard deviations of the noise; 0 leaves nothing to learn
 */
export function writeSamples(folder, { samples, channels, size, classes, pattern = 0 }) {
  const name = `${channels}x${size}-${classes}-${samples}${pattern > 0 ? `-pattern${pattern}` : ""}`;
  const files = { x: `${folder}/x-${name}.bin`, y: `${folder}/y-${name}.bin` };
  if (existsSync(files.x) && existsSync(files.y)) return files;
  const labels = labelsOf(samples, classes);
  const across = Math.ceil(size / square);
  const patterns = noise(3, pattern > 0 ? classes * channels * across * across : 0);
  const images = noise(1, samples * channels * size * size);
  if (pattern > 0)
    for (let i = 0; i < images.length; i++) {
      const [column, row, plane] = [i % size, Math.floor(i / size) % size, Math.floor(i / (size * size))];
      const of = labels[Math.floor(plane / channels)] * channels + (plane % channels);
      images[i] += pattern * patterns[(of * across + Math.floor(row / square)) * across + Math.floor(column / square)];
    }
  writeFileSync(files.x, images);
  writeFileSync(files.y, BigInt64Array.from(labels, BigInt));
  return files;
}

/** Sums of uniforms with mean 0 and variance 1, near enough to normal. */
function noise(seed, count) {
  const random = xoroshiro128plus(seed);
  const draw = () =>
    uniformFloat64(random) + uniformFloat64(random) + uniformFloat64(random) + uniformFloat64(random) - 2;
  return Float32Array.from({ length: count }, () => draw() * Math.sqrt(3));
}

function labelsOf(count, classes) {
  const random = xoroshiro128plus(2);
  return Array.from({ length: count }, () => uniformInt(random, 0, classes - 1));
}
