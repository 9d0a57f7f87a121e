/** The table of all operators that Secateur knows. */

import type { Op } from "./core/define.ts";
import * as activation from "./families/activation.ts";
import * as arithmetic from "./families/arithmetic.ts";
import * as attention from "./families/attention.ts";
import * as axisNormalization from "./families/axis-normalization.ts";
import * as batchNormalization from "./families/batch-normalization.ts";
import * as biasedActivation from "./families/biased-activation.ts";
import * as depthToSpace from "./families/depth-to-space.ts";
import * as cast from "./families/cast.ts";
import * as convolution from "./families/convolution.ts";
import * as moreActivations from "./families/more-activations.ts";
import * as einsum from "./families/einsum.ts";
import * as maxMin from "./families/max-min.ts";
import * as fused from "./families/fused.ts";
import * as generation from "./families/generation.ts";
import * as gridSample from "./families/grid-sample.ts";
import * as layout from "./families/layout.ts";
import * as linear from "./families/linear.ts";
import * as losses from "./families/losses.ts";
import * as logic from "./families/logic.ts";
import * as normalization from "./families/normalization.ts";
import * as concatSplit from "./families/concat-split.ts";
import * as pooling from "./families/pooling.ts";
import * as quantization from "./families/quantization.ts";
import * as ranking from "./families/ranking.ts";
import * as recurrent from "./families/recurrent.ts";
import * as reduction from "./families/reduction.ts";
import * as resize from "./families/resize.ts";
import * as rotary from "./families/rotary.ts";
import * as rounding from "./families/rounding.ts";
import * as scatter from "./families/scatter.ts";
import * as selection from "./families/selection.ts";
import * as alongAxis from "./families/along-axis.ts";
import * as slice from "./families/slice.ts";
import * as skipNormalization from "./families/skip-normalization.ts";
import * as trigonometry from "./families/trigonometry.ts";

const families = [
  activation,
  arithmetic,
  attention,
  axisNormalization,
  batchNormalization,
  biasedActivation,
  depthToSpace,
  cast,
  convolution,
  moreActivations,
  einsum,
  maxMin,
  fused,
  generation,
  gridSample,
  layout,
  linear,
  logic,
  losses,
  normalization,
  concatSplit,
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
  alongAxis,
  slice,
  skipNormalization,
  trigonometry,
];

const isOp = (x: unknown): x is Op => typeof x === "object" && x !== null && "samples" in x;

/** Every operator by its ONNX name, behind the domain where it is not the standard's; sorted, the standard's first. */
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
