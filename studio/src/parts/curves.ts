/** Curves of many points, made so that a chart can draw them at once. */

import type { Point } from "./run-record.ts";

/** How many points a curve has at most, about two for every pixel. */
const enough = 2000;

/** Of points that fall together the lowest and the highest stay, so that no peak is lost. */
export function thin(points: readonly Point[], most = enough): readonly Point[] {
  if (points.length <= most) return points;
  const size = (points.length * 2) / most;
  return Array.from({ length: most / 2 }, (_, i) => {
    const bin = points.slice(Math.floor(i * size), Math.floor((i + 1) * size));
    const low = bin.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = bin.reduce((a, b) => (b[1] > a[1] ? b : a));
    return low === high ? [low] : [low, high].sort((a, b) => a[0] - b[0]);
  }).flat();
}

/** The share of a curve that its smoothed form remembers. */
const memory = 1 / 25;

/** An exponential average that does not remember where it began (Kingma & Ba 2015, section 3). */
export function smooth(points: readonly Point[]): Point[] {
  const keep = 1 - 1 / Math.max(1, points.length * memory);
  let [sum, weight] = [0, 0];
  return points.map(([x, y]) => {
    sum = keep * sum + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    return [x, sum / weight];
  });
}
