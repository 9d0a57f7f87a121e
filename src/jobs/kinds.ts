/** Kinds of options that are made of what lies below: criteria, and what is told while a model learns. */

import { z } from "zod";
import type { DataCriterion, WeightCriterion } from "../criteria/criterion.ts";
import { labelsAreRight } from "../options/data.ts";
import { callback, having, type OptionsOf } from "../options/kinds.ts";
import { learning as learningKinds, type LearningOptions } from "../options/learning.ts";
import { criterionName } from "../options/ranking.ts";
import type { RecomputedStep } from "../train/activation-checkpointing.ts";
import type { Machines } from "../train/spread.ts";
import type { ProgressEvent } from "./job.ts";

const ofWeights = having<WeightCriterion>("a criterion with score()", "score");
/** What looks at weights alone. */
export const weightCriterion = z.union([criterionName, ofWeights]);
export const criterion = z.union([
  criterionName,
  having<DataCriterion>("a criterion with sample()", "sample"),
  ofWeights,
]);

/** What jobs tell that only measure. */
export const progress = {
  /** Is told at once what the job tells. */
  onEvent: callback<(event: ProgressEvent) => void>().optional(),
};
export interface ProgressOptions extends OptionsOf<typeof progress> {}

export const labels = {
  /**
   * Go on although the labels look wrong: the model is right by chance alone, or would be far more often with the
   * pixels in another form, or has more outputs than the data has classes.
   */
  labelsAreRight: labelsAreRight.optional(),
};
export interface LabelsOptions extends OptionsOf<typeof labels> {}

const telling = {
  /** Told when a step is opened that computes something a second time, to stay below `memory`. */
  onRecompute: callback<(recomputed: RecomputedStep) => void>().optional(),
};

const elsewhere = {
  /** Machines that learn in the place of `machines` workers of this process; as many slices as their `count`. */
  learners: having<Machines>("machines with run()", "run").optional(),
};

/** What jobs take that make a model learn. */
export const learning = { ...learningKinds, ...labels, ...telling, ...elsewhere };
export interface LearnJobOptions
  extends LearningOptions, LabelsOptions, OptionsOf<typeof telling>, OptionsOf<typeof elsewhere> {}
