/** What figures of quality are of, and how sure they are. */

import type { Evaluation } from "../evaluate/evaluate.ts";
import { intervalOf } from "../evaluate/intervals.ts";
import { counted, metricLabel, lossWords } from "./figures.ts";
import { isNumber } from "./figures-table.ts";
import { html, type Markup } from "./html.ts";
import type { RunConfig } from "./record.ts";
import type { Measured } from "./run-history.ts";

/** What figures of quality are of, or why there are none. */
export function measuredBy({ options, unmeasured }: RunConfig, evaluation: Evaluation | undefined): Markup | undefined {
  if (unmeasured !== undefined) return html`<p>No accuracy was measured: ${unmeasured}.</p>`;
  if (!evaluation) return undefined;
  const { samples, top1, agreement, metric, outputs } = evaluation;
  if (outputs)
    return html`<p>
      Of ${counted(samples)} of test data, each output is held against that of the original. The agreement is the least
      of what is kept of an output.
    </p>`;
  if (top1 !== undefined || agreement !== undefined)
    return html`<p>
      Shares are of ${counted(samples)} of test data. In brackets is where they lie with 95 % confidence, as so many
      samples can tell; a change is told by the samples that only one of the two models has right.
    </p>`;
  const instead = metric ? metricLabel(metric.name) : "the loss";
  return html`<p>
    There is no accuracy where the loss is ${lossWords(options["loss"])}: ${instead} was measured on ${counted(samples)}
    of test data.
  </p>`;
}

/** How far from the truth a share may be, in points, where it is least certain. */
export function doubtOf(measured: readonly Measured[]): string | undefined {
  const reaches = measured.flatMap(({ top1, agreement = top1, samples }) => {
    if (!isNumber(agreement)) return [];
    const { low, high } = intervalOf(agreement, samples);
    return [100 * Math.max(high - agreement, agreement - low)];
  });
  return reaches.length === 0 ? undefined : Math.max(...reaches).toFixed(1);
}
