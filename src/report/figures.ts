/** Numbers as people read them. */

import type { Evaluation } from "../evaluate/evaluate.ts";
import type { Drop } from "../evaluate/drop.ts";
import { intervalOf, type Interval } from "../evaluate/intervals.ts";
import { isOfSamples, isShare, type MetricValue } from "../evaluate/metrics.ts";
import { metrics } from "../evaluate/metrics/table.ts";
import type { Loss } from "../options/loss.ts";
import { textsOfLoss } from "../options/loss-text.ts";

/** 40812928 -> "40.81 M". */
export function short(value: number): string {
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const)
    if (value >= size) return `${(value / size).toFixed(2)} ${unit}`;
  return String(Math.round(value));
}

export const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

/** A measure as it is called in texts: "top1" -> "top-1", "masks=mean-iou" -> "mean IoU of masks". */
export function metricLabel(name: string): string {
  const known = titles.get(name);
  if (known !== undefined) return known;
  const at = name.lastIndexOf("=");
  const title = at < 0 ? undefined : titles.get(name.slice(at + 1));
  return title === undefined ? name : `${title} of ${name.slice(0, at)}`;
}

const titles: ReadonlyMap<string, string> = new Map([
  ["top1", "top-1"],
  ["top5", "top-5"],
  ...metrics.map(({ name, title }) => [name, title] as const),
]);

/** Digits behind the point of a percentage that so many samples tell: one of 1,000 samples is 0.1 %. */
const digitsOf = (samples: number): number => Math.min(2, Math.max(0, Math.ceil(Math.log10(samples)) - 2));

/** A share of samples with where it lies with 95 % confidence: "96.5 % (94.9 to 97.6 %)". */
export const shareFigure = (share: number, samples: number): string =>
  `${shareAlone(share, samples)} (${within(share, samples)})`;

/** The same with what it was counted over: "96.5 % (94.9 to 97.6 %, 1,000 samples)". */
const shareOver = (share: number, samples: number): string =>
  `${shareAlone(share, samples)} (${within(share, samples)}, ${counted(samples)})`;

const shareAlone = (share: number, samples: number): string => `${(100 * share).toFixed(digitsOf(samples))} %`;

function within(share: number, samples: number): string {
  const { low, high } = intervalOf(share, samples);
  return `${(100 * low).toFixed(digitsOf(samples))} to ${shareAlone(high, samples)}`;
}

/** A share that counts no samples is shown with the digits of so many. */
export const uncounted = 10_000;

/** The samples that a share of an evaluation was counted over. */
export const countedOver = (name: string, { samples, intervals }: Evaluation): number =>
  name === "agreement" && intervals?.agreement === undefined ? uncounted : samples;

/** The same where samples were counted; shares of other things have no interval. */
export const agreedFigure = (share: number, name: string, of: Evaluation): string =>
  name === "agreement" && of.intervals?.agreement === undefined ? percent(share) : shareFigure(share, of.samples);

export const counted = (samples: number): string =>
  `${samples.toLocaleString("en-US")} sample${samples === 1 ? "" : "s"}`;

/** A value in its own unit: "31.416". */
export const metricFigure = (value: number): string => String(Number(value.toPrecision(5)));

/** A value of a metric: shares in percent, others in their own unit. */
export const valueFigure = (value: number, of: Pick<MetricValue, "name" | "share"> | undefined): string =>
  of && isShare(of) ? percent(value) : metricFigure(value);

/** What became of a metric: "-1.25 points", "+0.012". */
export function changeFigure([before, after]: readonly [MetricValue, MetricValue]): string {
  const change = after.value - before.value;
  const sign = change < 0 ? "" : "+";
  return isShare(after) ? `${sign}${(100 * change).toFixed(2)} points` : `${sign}${metricFigure(change)}`;
}

/** What became of a measure, to end a sentence: "loses 1.25 points of top-1 (0.4 to 2.1)", "gains 0.012 of f1". */
export function dropFigure({ metric, share, drop, dropInterval }: Drop): string {
  const isGain = drop < 0;
  const amount = isShare({ name: metric, ...(share === true && { share }) })
    ? `${round(Math.abs(drop))} points`
    : metricFigure(Math.abs(drop));
  const span = dropInterval && ` (${spanOf(isGain ? negative(dropInterval) : dropInterval)})`;
  return `${isGain ? "gains" : "loses"} ${amount} of ${metricLabel(metric)}${span ?? ""}`;
}

/** A change in percentage points, above 0 where it is for the better: "-0.4 points (-1.3 to 0.5)". */
export function pointsFigure(gained: number, samples: number, interval?: Interval): string {
  const figure = (value: number): string => String(Number(value.toFixed(digitsOf(samples))) + 0);
  const span = interval ? ` (${figure(interval.low)} to ${figure(interval.high)})` : "";
  return `${gained < 0 ? "" : "+"}${gained.toFixed(digitsOf(samples))} points${span}`;
}

const spanOf = ({ low, high }: Interval): string => `${round(low)} to ${round(high)}`;
export const negative = ({ low, high }: Interval): Interval => ({ low: -high, high: -low });
/** Two digits, and no zero below zero. */
const round = (value: number): string => String(Number(value.toFixed(2)) + 0);

/** What counts of a measurement. */
export function accuracyOf({ loss, top1, agreement, intervals, metric, samples }: Evaluation): string {
  if (metric) {
    const figure = isOfSamples(metric) ? shareOver(metric.value, samples) : valueFigure(metric.value, metric);
    return `${metricLabel(metric.name)} ${figure}`;
  }
  if (top1 !== undefined) return `top-1 ${shareOver(top1, samples)}`;
  if (agreement !== undefined)
    return `agreement with the original ${
      intervals?.agreement ? shareOver(agreement, samples) : `${percent(agreement)} (${counted(samples)})`
    }`;
  return loss === undefined ? "nothing to measure" : `loss ${lossFigure(loss)}`;
}

/** A loss with four digits behind the point, or as many as a small one needs. */
export const lossFigure = (loss: number): string =>
  Math.abs(loss) >= leastPlain || loss === 0 ? loss.toFixed(4) : loss.toPrecision(3);
const leastPlain = 0.01;

const raised = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** 0.00000147 -> "1.5 × 10⁻⁶", 0.0123 -> "0.012". */
export function scientific(value: number): string {
  if (!Number.isFinite(value)) return "not finite";
  if (value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e4)) return String(Number(value.toPrecision(2)));
  const [factor, exponent] = value.toExponential(1).split("e");
  return `${factor} × ${powerOfTen(Number(exponent))}`;
}

/** -6 -> "10⁻⁶". */
export const powerOfTen = (exponent: number): string =>
  `10${exponent < 0 ? "⁻" : ""}${[...String(Math.abs(exponent))].map((digit) => raised[Number(digit)]).join("")}`;

/** "a, b and c" */
export const listed = (parts: readonly string[]): string =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;

/** A value of a configuration in words. */
export const worded = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? "–"));

/** What a loss counts. */
export const lossUnit = ({ loss, targets = "labels" }: Readonly<Record<string, unknown>>): string =>
  loss === "auto" && targets !== "labels" ? "distance from the original" : unitOfLoss(loss);

const unitOfLoss = (loss: unknown): string =>
  loss === "cross-entropy" || loss === "auto" ? "cross-entropy (nats)" : `loss (${lossWords(loss)})`;

/** Losses as the command line writes them: "scores=bce, boxes=l1:0.5". */
export const lossWords = (loss: unknown): string =>
  loss === undefined || loss === null ? worded(loss) : textsOfLoss(loss as Loss).join(", ");

/** learningRate -> --learning-rate */
export const flagOf = (name: string): string =>
  `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
