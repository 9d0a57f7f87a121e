/** Mutants that no law can notice, each with the reason: they compute the same, or freeze more than they must. */

const slower = "only a shortcut is lost: the general way computes the same";
const coarser =
  "more stays whole than must; the laws demand that what is cut is right, not that all that can be is cut";
const ofSizeOne = "axes of size 1 alone are treated otherwise, and there it makes no difference";

/** @type {readonly { name: string, kind: string, from?: string, nth?: readonly number[], reason: string }[]} */
const known = [
  { name: "Abs", kind: "operation changed", reason: "a division by a sign is a multiplication by it" },
  { name: "ConvTranspose", kind: "comparison moved", from: ">", reason: ofSizeOne },
  { name: "ConvTranspose", kind: "number in a comparison", reason: coarser },
  { name: "coupleReshape", kind: "number in a comparison", reason: "a pair of axes is a block of one" },
  { name: "matchRuns", kind: "comparison moved", reason: slower },
  { name: "foldBinary", kind: "and / or", nth: [1, 2], reason: "only integers get here, never strings" },
  { name: "matchRuns", kind: "and / or", reason: "both lists end together, as their products are equal" },
  { name: "MatMul", kind: "operand renamed", from: "A", reason: "a scalar fails the comparison of sizes anyway" },
  { name: "MatMul", kind: "and / or", from: "||", reason: "a scalar fails the comparison of sizes anyway" },
  { name: "Reshape", kind: "comparison moved", reason: "a size that is copied is stated instead" },
  { name: "BatchNormalization", kind: "number in a comparison", from: "!== 1", reason: coarser },
  { name: "BatchNormalization", kind: "and / or", from: "&&", reason: coarser },
  { name: "AveragePool", kind: "rounding", reason: "the padding behind is not read by the Conv's gradient" },
  { name: "divideByCounts", kind: "comparison inverted", reason: slower },
  { name: "rangesOf", kind: "comparison moved", reason: "a step is never 0" },
  { name: "Slice", kind: "comparison moved", reason: "a step is never 0" },
  { name: "Slice", kind: "number in a comparison", from: "< 0", reason: "a step is a whole number and never 0" },
  { name: "farthest", kind: "arithmetic", reason: "any number beyond every axis will do" },
  { name: "Pad", kind: "comparison moved", reason: coarser },
  { name: "Gather", kind: "no rule", from: "dtype", reason: "the default is the same" },
  { name: "Gather", kind: "comparison moved", reason: "the two are never equal" },
  { name: "ConstantOfShape", kind: "axis is not frozen", reason: "sizes are constants, which bear no units" },
  { name: "insertZeros", kind: "number in a comparison", reason: slower },
  { name: "flipKernel", kind: "comparison moved", reason: ofSizeOne },
  { name: "flipKernel", kind: "number in a comparison", from: "> 1", reason: ofSizeOne },
  { name: "convInputGradient", kind: "number in a comparison", reason: slower },
  { name: "matrixOf", kind: "comparison moved", from: "<", reason: "an array takes nothing beyond its end" },
  { name: "multiplyAlong", kind: "number in a comparison", reason: slower },
  { name: "Resize", kind: "number in a comparison", from: "=== 1", reason: slower },
  { name: "Resize", kind: "comparison inverted", from: "===", reason: slower },
  { name: "Resize", kind: "arithmetic", from: "*", reason: slower },
];

/** The reason why a mutant is not noticed; `undefined` where none is known. */
export function equivalent(mutant) {
  return known.find(
    (one) =>
      one.name === mutant.name &&
      one.kind === mutant.kind &&
      (one.from === undefined || mutant.from.trim() === one.from) &&
      (one.nth === undefined || one.nth.includes(mutant.nth)),
  )?.reason;
}
