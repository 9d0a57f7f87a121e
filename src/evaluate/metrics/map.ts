/** The mean average precision of detections, as COCO counts it. */

import { findTarget } from "../../execute/feeds.ts";
import { fail } from "../../graph/error.ts";
import { toNumbers, type Tensor } from "../../graph/tensor.ts";
import type { CountedSettings, MetricBatch } from "../../options/metric.ts";
import { boxesOf, overlapOf, type Box, type BoxForm } from "./boxes.ts";
import { defineMetric } from "./metric.ts";
import { outputOf } from "./taken.ts";

/** Numbers from one to another at equal steps, rounded as numpy.linspace rounds them. */
const spaced = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i === count - 1 ? to : from + i * ((to - from) / (count - 1))));
/** Overlaps from which a box is found. */
const overlaps = spaced(0.5, 0.95, 10);
/** Shares of the boxes that were found, at which precision is looked up. */
const recalls = spaced(0, 1, 101);
/** Detections of a class in an image that count. */
const most = 100;

const takes =
  "outputs boxes [N, K, 4] and scores [N, K, C], or [N, K] for one class, with targets boxes [N, M, 4], whose rows " +
  "that are -1 stand for nothing, and labels or classes, int64 [N, M]";

/** A detection: its score, and at which overlaps it has found a box. */
interface Detection {
  readonly score: number;
  readonly found: readonly boolean[];
}

/** Detections of a class in all images, and the boxes that there are. */
interface Count {
  readonly detections: Detection[];
  there: number;
}

export const map = defineMetric<"map">({
  name: "map",
  title: "mAP",
  better: "higher",
  share: true,
  summary: "mean average precision: how many boxes are found, and how few others have as high a score",
  equation:
    "the mean of the largest precision at a recall or above it, over classes that are there, overlaps 0.50, 0.55 to " +
    "0.95, and recalls 0, 0.01 to 1; the 100 largest scores of a class in an image count",
  takes,
  source: "Lin et al. 2014, Microsoft COCO; pycocotools, AP at IoU=0.50:0.95, area=all, maxDets=100",
  start(settings) {
    const counts = new Map<number, Count>();
    const countOf = (c: number): Count => {
      const count = counts.get(c) ?? { detections: [], there: 0 };
      counts.set(c, count);
      return count;
    };
    return {
      add(batch) {
        const { boxes, scores, classes, wanted } = takenFrom(settings, batch);
        for (let n = 0; n < batch.size; n++)
          for (let c = 0; c < classes; c++) {
            const count = countOf(c);
            const there = wanted(n, c);
            count.there += there.length;
            const said = best(scores(n, c), boxes(n), settings.overlap);
            count.detections.push(...matched(said, there));
          }
      },
      result() {
        const present = [...counts.values()].filter(({ there }) => there > 0);
        if (present.length === 0) fail("bad-data", "map: there is no box in the targets");
        return present.reduce((sum, count) => sum + averagePrecision(count), 0) / present.length;
      },
    };
  },
});

/** The boxes and scores of a minibatch, and the boxes that it should have. */
function takenFrom(
  { boxes: from = "boxes", scores: by = "scores", targetBoxes, labels, form = "corners" }: CountedSettings<"map">,
  batch: MetricBatch,
) {
  const boxes = outputOf("map", batch, from);
  const scores = outputOf("map", batch, by);
  const where = targetNamed(batch, [targetBoxes ?? "boxes"]);
  const which = targetNamed(batch, labels === undefined ? ["labels", "classes"] : [labels]);
  const [n, k] = boxes.shape as [number, number];
  const classes = scores.shape.length === 2 ? 1 : scores.shape[2]!;
  const all = { [from]: boxes, [by]: scores, boxes: where, labels: which };
  const fits =
    isOf(boxes, [n, k, 4]) &&
    (isOf(scores, [n, k]) || isOf(scores, [n, k, classes])) &&
    isOf(where, [n, where.shape[1] ?? -1, 4]) &&
    isOf(which, [n, where.shape[1]!]);
  if (!fits)
    fail(
      "bad-data",
      `map takes ${takes}; here are ${Object.entries(all)
        .map(([name, { shape }]) => `${name} [${shape.join(", ")}]`)
        .join(", ")}`,
    );
  const values = toNumbers(scores);
  const m = where.shape[1]!;
  const ids = toNumbers(which);
  const [own, theirs] = [boxesOf(boxes, form as BoxForm), boxesOf(where, form as BoxForm)];
  const raw = toNumbers(where);
  const isThere = (row: number): boolean => ids[row]! >= 0 && !raw.slice(row * 4, row * 4 + 4).every((x) => x === -1);
  const wrong = ids.findIndex((id, row) => isThere(row) && id >= classes);
  if (wrong >= 0)
    fail("bad-data", `map: a target has the class ${ids[wrong]}; the scores are of the classes 0 to ${classes - 1}`);
  return {
    classes,
    boxes: (sample: number) => own.slice(sample * k, (sample + 1) * k),
    scores: (sample: number, c: number) => Array.from({ length: k }, (_, i) => values[(sample * k + i) * classes + c]!),
    wanted: (sample: number, c: number) =>
      theirs.slice(sample * m, (sample + 1) * m).filter((_, i) => isThere(sample * m + i) && ids[sample * m + i] === c),
  };
}

const isOf = ({ shape }: Tensor, wanted: readonly number[]): boolean =>
  shape.length === wanted.length && shape.every((dim, i) => dim === wanted[i]);

function targetNamed(batch: MetricBatch, names: readonly string[]): Tensor {
  const found = names.map((name) => findTarget(batch, { name })).find((target) => target !== undefined);
  const quoted = (all: readonly string[]): string[] => all.map((name) => `"${name}"`);
  const had = quoted(Object.keys(batch.targets ?? {})).join(", ") || "no targets by name";
  return found ?? fail("bad-data", `map takes the target ${quoted(names).join(" or ")}; the data has ${had}`);
}

/** The detections of a class that count, the largest score first. */
function best(scores: readonly number[], boxes: readonly Box[], overlap: number | undefined) {
  const order = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept: number[] = [];
  for (const i of order) {
    if (kept.length === most) break;
    if (overlap === undefined || kept.every((other) => overlapOf(boxes[other]!, boxes[i]!) <= overlap)) kept.push(i);
  }
  return kept.map((i) => ({ score: scores[i]!, box: boxes[i]! }));
}

/** Each detection takes, of the boxes that are left, the one that it overlaps most. */
function matched(said: readonly { readonly score: number; readonly box: Box }[], there: readonly Box[]): Detection[] {
  const table = said.map(({ box }) => there.map((other) => overlapOf(box, other)));
  const taken = overlaps.map(() => new Set<number>());
  return said.map(({ score }, d) => ({
    score,
    found: overlaps.map((least, t) => {
      let [match, reached] = [-1, Math.min(least, 1 - 1e-10)];
      table[d]!.forEach((value, i) => {
        if (taken[t]!.has(i) || value < reached) return;
        [match, reached] = [i, value];
      });
      if (match >= 0) taken[t]!.add(match);
      return match >= 0;
    }),
  }));
}

/** The mean over overlaps and recalls of the precision that is reached. */
function averagePrecision({ detections, there }: Count): number {
  const sorted = detections.toSorted((a, b) => b.score - a.score);
  const each = overlaps.map((_, t) => {
    let found = 0;
    const points = sorted.map(({ found: at }, i) => {
      if (at[t]) found++;
      return { recall: found / there, precision: found / (i + 1) };
    });
    const envelope = Array<number>(points.length);
    for (let i = points.length - 1, largest = 0; i >= 0; i--)
      envelope[i] = largest = Math.max(largest, points[i]!.precision);
    let i = 0;
    return recalls.reduce((sum, recall) => {
      while (i < points.length && points[i]!.recall < recall) i++;
      return sum + (envelope[i] ?? 0);
    }, 0);
  });
  return each.reduce((sum, value) => sum + value, 0) / (overlaps.length * recalls.length);
}
