/** The table of all operators that Secateur knows. */

import type { Op } from "./define.ts";
import * as activation from "./activation.ts";
import * as arithmetic from "./arithmetic.ts";
import * as axisNormalization from "./axis-normalization.ts";
import * as blocks from "./blocks.ts";
import * as convolution from "./convolution.ts";
import * as curves from "./curves.ts";
import * as einsum from "./einsum.ts";
import * as extremes from "./extremes.ts";
import * as generation from "./generation.ts";
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
import * as rounding from "./rounding.ts";
import * as scatter from "./scatter.ts";
import * as selection from "./selection.ts";
import * as sequence from "./sequence.ts";
import * as slice from "./slice.ts";
import * as trigonometry from "./trigonometry.ts";

const families = [
  activation,
  arithmetic,
  axisNormalization,
  blocks,
  convolution,
  curves,
  einsum,
  extremes,
  generation,
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
  rounding,
  scatter,
  selection,
  sequence,
  slice,
  trigonometry,
];

const isOp = (x: unknown): x is Op => typeof x === "object" && x !== null && "samples" in x;

/** Every operator by its ONNX name, in alphabetical order. */
export const ops: ReadonlyMap<string, Op> = new Map(
  families
    .flatMap((family) => Object.values(family).filter(isOp))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((op) => [op.name, op]),
);

/** The operator of a node of the standard; `undefined` where the table does not have it. */
export function findOp(name: string, domain = ""): Op | undefined {
  return domain === "" ? ops.get(name) : undefined;
}
