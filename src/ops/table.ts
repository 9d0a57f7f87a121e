/** The table of all operators that Secateur knows. */

import type { Op } from "./define.ts";
import * as activation from "./activation.ts";
import * as arithmetic from "./arithmetic.ts";
import * as attention from "./attention.ts";
import * as axisNormalization from "./axis-normalization.ts";
import * as biasedActivation from "./biased-activation.ts";
import * as blocks from "./blocks.ts";
import * as cast from "./cast.ts";
import * as convolution from "./convolution.ts";
import * as curves from "./curves.ts";
import * as einsum from "./einsum.ts";
import * as extremes from "./extremes.ts";
import * as fused from "./fused.ts";
import * as generation from "./generation.ts";
import * as gridSample from "./grid-sample.ts";
import * as layout from "./layout.ts";
import * as linear from "./linear.ts";
import * as logic from "./logic.ts";
import * as normalization from "./normalization.ts";
import * as parts from "./parts.ts";
import * as pooling from "./pooling.ts";
import * as quantization from "./quantization.ts";
import * as ranking from "./ranking.ts";
import * as recurrent from "./recurrent.ts";
import * as reduction from "./reduction.ts";
import * as resize from "./resize.ts";
import * as rotary from "./rotary.ts";
import * as rounding from "./rounding.ts";
import * as scatter from "./scatter.ts";
import * as selection from "./selection.ts";
import * as sequence from "./sequence.ts";
import * as slice from "./slice.ts";
import * as skipNormalization from "./skip-normalization.ts";
import * as trigonometry from "./trigonometry.ts";

const families = [
  activation,
  arithmetic,
  attention,
  axisNormalization,
  biasedActivation,
  blocks,
  cast,
  convolution,
  curves,
  einsum,
  extremes,
  fused,
  generation,
  gridSample,
  layout,
  linear,
  logic,
  normalization,
  parts,
  pooling,
  quantization,
  ranking,
  recurrent,
  reduction,
  resize,
  rotary,
  rounding,
  scatter,
  selection,
  sequence,
  slice,
  skipNormalization,
  trigonometry,
];

const isOp = (x: unknown): x is Op => typeof x === "object" && x !== null && "samples" in x;

/** Every operator by its ONNX name, behind the domain where it is not the standard's; in alphabetical order, the standard's first. */
export const ops: ReadonlyMap<string, Op> = new Map(
  families
    .flatMap((family) => Object.values(family).filter(isOp))
    .sort((a, b) => ((a.domain === b.domain ? a.name < b.name : a.domain < b.domain) ? -1 : 1))
    .map((op) => [op.key, op]),
);

/** The operator of a node; `undefined` where the table does not have it. */
export function findOp(name: string, domain = ""): Op | undefined {
  return ops.get(domain === "" ? name : `${domain}.${name}`);
}
