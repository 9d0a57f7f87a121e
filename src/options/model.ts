/** Options that say how a model is looked at, and how it is written. */

import { z } from "zod";
import { newestOpset, oldestOpset } from "../onnx/opsets.ts";
import { callback, countOrNone, shape } from "./kinds.ts";

/** Sizes of inputs by their names. */
export const shapes = z.record(z.string(), shape).describe("sizes to look at an input with, as input=1x3x224x224");

export const opset = z
  .int()
  .min(oldestOpset)
  .max(newestOpset)
  .describe(`ONNX opset to write, ${oldestOpset} to ${newestOpset} (default: the model's)`);

/** Bytes of all weights above which they are written to a file of their own. */
export const externalAbove = countOrNone;

/** What every function takes that looks at a model. */
export const looking = {
  /**
   * Shapes of inputs by name: at which sizes a model whose file leaves more open than the batch is looked at. They
   * change nothing in what is written. Where none are given they are found by trying.
   */
  shapes: shapes.optional(),
  /** Is told in a sentence each what sizes had to be found, and which axes cannot stay open and why. */
  onNote: callback<(note: string) => void>().optional(),
};
