/** What a metric by name is: an object that says what it takes, and counts. */

import type { Activation } from "../../passes/heads.ts";
import type { Better, CountedName, CountedSettings, MetricCount } from "../../options/metric.ts";

/** The output that a metric looks at, and what is known of it. */
export interface Looked {
  readonly output: string;
  /** What the output ends in: probabilities of classes, or of yes and no. */
  readonly activation?: Activation | undefined;
  /** The axis of a Softmax. */
  readonly axis?: number | undefined;
}

export interface MetricDefinition<S = unknown> {
  readonly name: CountedName;
  /** As it is called in texts. */
  readonly title: string;
  readonly better: Better;
  /** Whether its values are shares from 0 to 1. */
  readonly share: boolean;
  /** For documentation: one line. */
  readonly summary: string;
  /** As text. */
  readonly equation: string;
  /** Which outputs and targets it takes. */
  readonly takes: string;
  /** Where it is from. */
  readonly source: string;
  /** Begins to count; what does not fit fails with `bad-data`. */
  start(settings: S, looked: Looked): MetricCount;
}

/** The object as it is written, with the settings that go with its name. */
export const defineMetric = <N extends CountedName>(
  definition: MetricDefinition<CountedSettings<N>> & { readonly name: N },
): MetricDefinition => definition as MetricDefinition;
