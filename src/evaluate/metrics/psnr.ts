/** The peak signal-to-noise ratio of images. */

import { defineMetric } from "./metric.ts";
import { toNumbers } from "../../graph/tensor.ts";
import { outputOf, requireAlike, targetOrOriginal } from "./taken.ts";

/** As good as equal, and a number. */
const most = 100;

/** What a ratio of squares comes to, in decibels. */
export const decibels = (peak: number, squares: number): number =>
  squares === 0 ? most : Math.min(most, 10 * Math.log10(peak ** 2 / squares));

/** The largest value that there can be: 1 or 255 where all lie within, else as far as they reach. */
export const peakOf = (low: number, high: number): number => (low < 0 || high > 255 ? high - low : high > 1 ? 255 : 1);

export const psnr = defineMetric<"psnr">({
  name: "psnr",
  title: "PSNR",
  better: "higher",
  share: false,
  summary: "the ratio of the largest value to the error of an image, in decibels",
  equation:
    "the mean over samples of 10 log10(peak² / mean (y - t)²), at most 100 dB each; the peak is 1 where all targets " +
    "lie from 0 to 1, 255 where they lie from 0 to 255, else the largest less the least of them",
  takes: "numbers with a target in the same shape, or with the original's output where the data has no targets",
  source: "skimage.metrics.peak_signal_noise_ratio",
  start({ peak, target: name }, { output: of }) {
    const errors: number[] = [];
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    return {
      add(batch) {
        const output = outputOf("psnr", batch, of);
        const target = targetOrOriginal("psnr", batch, of, { target: name });
        requireAlike("psnr", of, output, target);
        const [values, wanted] = [toNumbers(output), toNumbers(target)];
        const each = values.length / batch.size;
        for (let n = 0; n < batch.size; n++) {
          let sum = 0;
          for (let i = n * each; i < (n + 1) * each; i++) {
            const t = wanted[i]!;
            sum += (values[i]! - t) ** 2;
            if (t < low) low = t;
            if (t > high) high = t;
          }
          errors.push(sum / each);
        }
      },
      result: () => {
        const largest = peak ?? peakOf(low, high);
        return errors.reduce((sum, error) => sum + decibels(largest, error), 0) / errors.length;
      },
    };
  },
});
