/** What one model loses of another's quality, and what so many samples can tell of it. */

import type { MeasureName } from "../options/metric.ts";
import type { Comparison, Pair } from "./compare.ts";
import { intervalOf, intervalOfLoss, type Interval } from "./intervals.ts";
import { isOfSamples, lostBetween, namedValue, type MetricValue } from "./metrics.ts";

/** What was lost of a measure. */
export interface Drop {
  /** Its name. */
  readonly metric: string;
  /** Percentage points of a share, else the measure's own unit; below 0 where something was gained. */
  readonly drop: number;
  /** Whether it is of a share that is no count of samples, as mean IoU. */
  readonly share?: boolean;
  /** Where it lies with 95 % confidence, where samples were counted: {@link intervalOfLoss}. */
  readonly dropInterval?: Interval;
}

/**
 * What was lost of the metric where one was asked for, else of top-1, or without labels
 * of the agreement with the first model.
 */
export function dropOf({ samples, quality, agreement = 1, outputs, intervals, metric, changed }: Comparison): Drop {
  const shares = (name: MeasureName, a: number, b: number): Pair<MetricValue> => [
    namedValue(name, { [name]: a }),
    namedValue(name, { [name]: b }),
  ];
  const pair =
    metric ??
    (quality?.[0].top1 === undefined || quality[1].top1 === undefined
      ? agreementAs(shares("agreement", 1, agreement), outputs === undefined || intervals !== undefined)
      : shares("top1", quality[0].top1, quality[1].top1));
  return dropBetween(pair, samples, changed);
}

/** @param changed samples that one of the two has right, by what counts as right */
export function dropBetween(
  [before, after]: Pair<MetricValue>,
  samples: number,
  changed?: Comparison["changed"],
): Drop {
  const { name } = before;
  const { share } = after;
  const shares =
    name === "agreement" && isOfSamples(after)
      ? turned(intervalOf(after.value, samples))
      : changed && (name === "top1" || name === "top5")
        ? intervalOfLoss(changed[name], samples)
        : undefined;
  const dropInterval = shares && { low: 100 * shares.low, high: 100 * shares.high };
  const drop = lostBetween(before, after, samples);
  return { metric: name, drop, ...(share === true && { share }), ...(dropInterval && { dropInterval }) };
}

/** Agreement of outputs that are no classes of samples is no count. */
const agreementAs = (pair: Pair<MetricValue>, isCounted: boolean): Pair<MetricValue> =>
  isCounted
    ? pair
    : [
        { ...pair[0], share: true },
        { ...pair[1], share: true },
      ];

/** Whether so few samples cannot tell on which side of the most that may be lost a drop lies. */
export const isDoubtful = ({ dropInterval }: Partial<Drop>, most: number | undefined): boolean =>
  dropInterval !== undefined && most !== undefined && dropInterval.low <= most && most <= dropInterval.high;

/** Of what does not agree. */
const turned = ({ low, high }: Interval): Interval => ({ low: 1 - high, high: 1 - low });
