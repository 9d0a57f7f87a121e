/** From bytes to what a network was trained on: one table of 256 values for each channel. */

import { fail } from "../graph/error.ts";

/** `y = (x * scale - mean) / std` with x from 0 to 255; one mean and std for all channels, or one each. */
export interface Normalise {
  /** 1/255 unless given. */
  readonly scale?: number;
  /** 0 unless given. */
  readonly mean?: readonly number[];
  /** 1 unless given. */
  readonly std?: readonly number[];
}

/**
 * What well-known networks were trained with. imagenet is torchvision's, inception what TensorFlow's Inception and
 * MobileNet take (-1 to 1), clip OpenAI's. cifar10 and mnist are the statistics of the training images of these sets;
 * caffe is the mean of ImageNet's bytes in Caffe's order, for channels `bgr`; unit gives 0 to 1; none leaves bytes as
 * they are.
 */
export const presets = {
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  inception: { mean: [0.5], std: [0.5] },
  clip: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
  cifar10: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  mnist: { mean: [0.1307], std: [0.3081] },
  caffe: { scale: 1, mean: [103.939, 116.779, 123.68] },
  unit: { scale: 1 / 255 },
  none: { scale: 1 },
} as const satisfies Readonly<Record<string, Normalise>>;

export type PresetName = keyof typeof presets;

/**
 * The value of byte x in channel c at `c * 256 + x`, computed in double precision and rounded once.
 * Fails with `bad-option` on a wrong count, on a value that is not finite and on a std of 0.
 */
export function normalisationTable(channels: number, normalise: Normalise = {}): Float32Array {
  const { scale = 1 / 255 } = normalise;
  const problems: string[] = [];
  const perChannel = (what: string, values: readonly number[], usable: (value: number) => boolean): void => {
    if (values.length !== 1 && values.length !== channels)
      problems.push(`${what} has ${values.length} values for ${channels} channels; give 1 or ${channels}`);
    for (const value of values) if (!usable(value)) problems.push(`${what} holds ${value}`);
  };
  const mean = normalise.mean ?? [0];
  const std = normalise.std ?? [1];
  perChannel("mean", mean, Number.isFinite);
  perChannel("std", std, (value) => Number.isFinite(value) && value > 0);
  if (!Number.isFinite(scale) || scale === 0) problems.push(`scale is ${scale}`);
  if (problems.length > 0) fail("bad-option", `normalisation: ${problems.join("; ")}`);
  const table = new Float32Array(channels * 256);
  for (let c = 0; c < channels; c++) {
    const m = mean[mean.length === 1 ? 0 : c]!;
    const s = std[std.length === 1 ? 0 : c]!;
    for (let x = 0; x < 256; x++) table[c * 256 + x] = (x * scale - m) / s;
  }
  return table;
}
