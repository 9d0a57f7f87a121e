/**
 * What a loss is measured by: how much a model loses that knows nothing, and how
 * much more or less of it nobody notices.
 */

import { sizeOf, toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Tensors } from "../runtime/port.ts";
import type { AppendedTerm, Distillation, ObjectiveInputs } from "./objective.ts";

export interface LossScale {
  /** The mean loss of a model that answers all the same, as well as that can be done. */
  readonly chance: number;
  /** What the loss may rise by and the metric is hardly any worse, however small the loss is. */
  readonly slight: number;
  /** Whether it is an error, which is measured by itself, as a good model is far below chance. */
  readonly isError?: boolean;
}

/** Of what tells classes apart, a share of chance: of ten classes 0.046, about a point of accuracy. */
const slightOfClasses = 0.02;
/** Of errors, whose measure is what they are of themselves. */
const slightOfErrors = 0.001;

/**
 * @param objective as it was appended
 * @param feeds of a minibatch: targets, and what a teacher gives
 */
export function scaleOf(
  { terms, files, features }: ObjectiveInputs,
  feeds: Tensors,
  distillation: Distillation | undefined,
): LossScale {
  // What a model costs that knows nothing is not known of a loss in a file.
  if (files.length > 0) return { chance: Number.NaN, slight: 0, isError: true };
  const scales = terms.map((term) => scaleOfTerm(term, feeds, distillation));
  const isError = scales.some((scale) => scale.isError);
  // Features are in units of their variance, which is what a value costs that is the same everywhere.
  return {
    chance: scales.reduce((sum, { chance }) => sum + chance, features),
    slight: scales.reduce((sum, { slight }) => sum + slight, slightOfClasses * features),
    ...(isError && { isError }),
  };
}

function scaleOfTerm(term: AppendedTerm, feeds: Tensors, distillation: Distillation | undefined): LossScale {
  const { loss, weight } = term;
  const theirs = term.teacher === undefined ? undefined : feeds[term.teacher];
  if (distillation === undefined || theirs === undefined) {
    const own = ofTargets(term, feeds);
    const chance = weight * own;
    // What compares samples tells them apart as others do classes.
    const isError = Number.isNaN(own) || (loss.distribution === "gaussian" && loss.comparesSamples !== true);
    const slight = Number.isNaN(own) ? 0 : (isError ? slightOfErrors : slightOfClasses) * chance;
    return { chance, slight, ...(isError && { isError }) };
  }
  const share = distillation.weight;
  const far = uninformed(term, theirs, distillation.temperature);
  const chance = weight * (share * far + (share < 1 ? (1 - share) * ofTargets(term, feeds) : 0));
  return { chance, slight: slightOfClasses * chance };
}

/** The loss of targets by chance; NaN where that is not known. */
function ofTargets({ loss, settings, shape, form, target }: AppendedTerm, feeds: Tensors): number {
  const known = target === undefined ? undefined : feeds[target];
  return loss.chance?.({ output: shape, target: known, form, settings }) ?? Number.NaN;
}

/** How far from a teacher a model is that answers all the same. */
function uninformed({ loss, settings }: AppendedTerm, theirs: Tensor, temperature: number): number {
  switch (loss.distribution) {
    case "categorical":
      return ofClasses(theirs, loss.axis?.(settings, theirs.shape.length) ?? 1, temperature);
    case "bernoulli":
      return ofYes(toNumbers(theirs).map((value) => 1 / (1 + Math.exp(-value))));
    case "gaussian":
      // Vectors that have nothing to do with each other are at an angle of 90°, whose cosine is 0.
      if (loss.distance) return 1;
      return loss.chance?.({ output: theirs.shape, target: theirs, form: undefined, settings }) ?? 1;
  }
}

/** So many places for each class tell how often it comes. */
const placesPerClass = 10;

/**
 * T² KL(softmax(teacher / T) || q), averaged over all places, for the best q that is the same everywhere: the mean, or
 * where there are too few places to know it the uniform one.
 *
 * @param logits [N, ...], or logarithms of probabilities
 */
export function ofClasses(logits: Tensor, axis: number, temperature: number): number {
  const along = axis < 0 ? axis + logits.shape.length : axis;
  const classes = logits.shape[along]!;
  const inner = sizeOf(logits.shape.slice(along + 1));
  const places = sizeOf(logits.shape) / classes;
  const values = toNumbers(logits);
  const means = new Float64Array(classes);
  let entropies = 0;
  for (let place = 0; place < places; place++) {
    const start = Math.floor(place / inner) * classes * inner + (place % inner);
    const row = Array.from({ length: classes }, (_, c) => values[start + c * inner]! / temperature);
    const most = Math.max(...row);
    const weights = row.map((value) => Math.exp(value - most));
    const total = weights.reduce((all, value) => all + value, 0);
    weights.forEach((weight, c) => {
      means[c]! += weight / total / places;
      entropies += partOf(weight / total);
    });
  }
  const isKnown = places >= placesPerClass * classes;
  const constant = isKnown ? means.reduce((sum, p) => sum + partOf(p), 0) : Math.log(classes);
  return temperature ** 2 * (constant - entropies / places);
}

/** KL(p || the mean of p) of probabilities of yes, averaged over all of them. */
export function ofYes(yes: readonly number[]): number {
  const entropy = (p: number): number => partOf(p) + partOf(1 - p);
  const mean = yes.reduce((sum, p) => sum + p, 0) / yes.length;
  return entropy(mean) - yes.reduce((sum, p) => sum + entropy(p), 0) / yes.length;
}

const partOf = (p: number): number => (p > 0 ? -p * Math.log(p) : 0);
