/** Numbers as people read them. */

import type { Evaluation } from "../train/evaluate.ts";
import { isShare, type MetricValue } from "../train/metrics.ts";

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

/** A measure as it is called in texts: "top1" -> "top-1". */
export const metricLabel = (name: string): string => ({ top1: "top-1", top5: "top-5" })[name] ?? name;

/** "91.25 %" of a share of samples, else the number: "31.416". */
export const metricFigure = ({ name, value }: Pick<MetricValue, "name" | "value">): string =>
  isShare(name) ? percent(value) : String(Number(value.toPrecision(5)));

/** What was lost: "1.25 points of top-1", "0.012 of f1". */
export const lostFigure = (name: string, lost: number): string =>
  `${isShare(name) ? `${Number(lost.toFixed(2))} points` : Number(lost.toPrecision(5))} of ${metricLabel(name)}`;

/** What counts of a measurement. */
export function accuracyOf({ loss, top1, agreement, metric }: Evaluation): string {
  if (metric) return `${metricLabel(metric.name)} ${metricFigure(metric)}`;
  if (top1 !== undefined) return `top-1 ${percent(top1)}`;
  return agreement === undefined ? `loss ${loss.toFixed(4)}` : `${percent(agreement)} as the original`;
}

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
export const lossUnit = (loss: unknown): string =>
  loss === "cross-entropy" ? "cross-entropy (nats)" : `loss (${worded(loss)})`;
