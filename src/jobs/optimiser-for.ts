/** The optimiser of a run where nobody has said it: what fits the size of the inputs. */

import type { Dataset } from "../data/batches.ts";
import { isFloat, toNumbers } from "../graph/tensor.ts";
import type { OptimiserOptions, Targets } from "../options/learning.ts";

interface Asked {
  readonly optimiser?: OptimiserOptions | undefined;
  readonly targets: Targets | "teacher";
  readonly data: Dataset;
  readonly seed: number;
  readonly onNote?: ((text: string) => void) | undefined;
}

/** Root mean squares of inputs from which on the weights that read them are far smaller than others. */
const large = 10;
/** Samples that tell how large inputs are. */
const looked = 16;

/**
 * The optimiser that was asked for; else nothing, which is SGD. Where all is learned from the original and inputs are
 * large, AdamW with relative steps: the gradient of a weight goes with its input, and its own size against it, so that
 * with pixels of 0 to 255 a rate that suits the first weights is ten thousand times too small for all others.
 */
export async function optimiserFor(asked: Asked): Promise<OptimiserOptions | undefined> {
  const { optimiser, targets, data, seed, onNote } = asked;
  if (optimiser !== undefined || targets === "labels") return optimiser;
  for await (const batch of data.batches({ batchSize: looked, shuffle: true, seed, limit: 1 })) {
    const sizes = Object.values(batch.inputs).map((input) =>
      isFloat(input.dtype) ? rootMeanSquare(toNumbers(input)) : 0,
    );
    const most = Math.max(...sizes);
    if (!(most > large)) return undefined;
    onNote?.(
      `inputs are large (their root mean square is ${most.toPrecision(2)}): steps are in units of each weight's size ` +
        "(adamw, relative)",
    );
    return { kind: "adamw", relative: true };
  }
  return undefined;
}

const rootMeanSquare = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! ** 2;
  return Math.sqrt(sum / values.length);
};
