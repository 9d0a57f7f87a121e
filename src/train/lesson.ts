/** A minibatch to learn from, and what a step on it came to. */

import type { Batch } from "../data/batches.ts";
import type { Findings } from "../objective/evidence.ts";

export interface StepResult {
  /** The mean loss of the batch, before the update. */
  readonly loss: number;
  /** What the step tells of each group; empty where nothing is needed. */
  readonly findings: Findings;
}

/** A minibatch to learn from, and how. */
export interface Lesson {
  readonly batch: Batch;
  /** The learning rate. */
  readonly rate: number;
  /** Of the step in the whole run, from 0 on: it decides with the seed what is drawn at random. */
  readonly number: number;
}
