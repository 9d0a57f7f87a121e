/** What stands on the page of a run of train or finetune. */

import type { Evaluation } from "../evaluate/evaluate.ts";
import { learningSection, lineChart, type Point } from "./charts.ts";
import { listed, lossFigure, lossUnit, metricLabel, shareFigure, valueFigure } from "./figures.ts";
import { changesIn, figuresBetween, figuresTable, isNumber, type Figure } from "./figures-table.ts";
import type { Markup } from "./html.ts";
import { littleLeft } from "./kept.ts";
import { measuredBy } from "./measured.ts";
import type { Page } from "./page.ts";
import type { LearnSummary, RunConfig, RunRecord } from "./record.ts";
import { isOf, ownMetric, smooth, thin, type Of } from "./run-history.ts";

/** @param summary what was reached; there when the run is finished */
export function learnedPage(
  model: string,
  config: RunConfig,
  records: readonly RunRecord[],
  summary?: LearnSummary,
): Page {
  const steps = records.filter(isOf("step"));
  const epochs = records.filter(isOf("epoch"));
  const before = summary?.before ?? epochs[0]?.evaluation;
  const ruined = records.findLast(isOf("ruined"));
  const rows = figuresOf(before, summary?.after ?? epochs.at(-1)?.evaluation);
  const doing = config.command === "train" ? "Training" : "Fine-tuning";
  return {
    title: `${doing} of ${model}`,
    lead: headline(`${doing} ${model}`, rows, steps),
    stands: summary ? undefined : standOf(steps.at(-1)),
    sections: [
      figuresTable(rows),
      ruined && littleLeft(ruined),
      measuredBy(config, before),
      curves(steps, epochs, lossUnit(config.options)),
    ],
  };
}

type Step = Of<"step">;

function figuresOf(before: Evaluation | undefined, after: Evaluation | undefined): Figure[] {
  const metric = after && ownMetric(after);
  const title = metricLabel(metric?.name ?? "");
  const figure = figuresBetween([before, after]);
  const share = (value: number, { samples }: Evaluation): string => shareFigure(value, samples);
  const points = { compared: "points", samples: after?.samples } as const;
  return [
    figure("top-1", ({ top1 }) => top1, share, { subject: "top-1 accuracy", ...points }),
    figure("top-5", ({ top5 }) => top5, share, points),
    figure(
      title,
      (one) => ownMetric(one)?.value,
      (value) => valueFigure(value, metric),
      { subject: title },
    ),
    figure("loss", ({ loss }) => loss, lossFigure, { subject: "loss on the test data", compared: "difference" }),
  ].filter((row) => isNumber(row.before) && isNumber(row.after));
}

function headline(doing: string, rows: readonly Figure[], steps: readonly Step[]): string {
  const changes = changesIn(rows);
  if (changes.length > 0) return `${doing} takes its ${listed(changes)}.`;
  const smoothed = smooth(lossOf(steps)).map(([, loss]) => loss.toFixed(4));
  if (smoothed.length === 0) return `${doing} has not begun to learn.`;
  return `${doing} takes the loss of its minibatches from ${smoothed[0]!} to ${smoothed.at(-1)!}.`;
}

function standOf(last: Step | undefined): string {
  if (!last) return "nothing has been learned yet";
  const of = last.steps === undefined ? "" : ` of ${last.steps}`;
  return `it stands at step ${last.step}${of}, in epoch ${last.epoch} of ${last.epochs}`;
}

const lossOf = (steps: readonly Step[]): Point[] => steps.map(({ step, loss }) => [step, loss]);

function curves(steps: readonly Step[], epochs: readonly Of<"epoch">[], unit: string): Markup | undefined {
  const losses = lossOf(steps);
  const metric = epochs.map(({ evaluation }) => ownMetric(evaluation)?.name).find((name) => name !== undefined);
  const test = (of: (evaluation: Evaluation) => number | undefined) => ({
    name: "test data",
    points: epochs.map(({ step, evaluation }): Point => [step, of(evaluation) ?? Number.NaN]),
  });
  const x = "steps";
  return learningSection([
    lineChart({
      title: "Loss while learning",
      note: "Of the minibatches, and of the test data after every epoch.",
      x,
      y: unit,
      wide: true,
      series: [
        { name: "each minibatch", tone: "faint", points: thin(losses) },
        { name: "smoothed", tone: "first", points: thin(smooth(losses)) },
        { ...test((evaluation) => evaluation.loss), tone: "second", as: "dots" },
      ],
    }),
    lineChart({
      title: "Accuracy while learning",
      x,
      y: "top-1 accuracy (%)",
      series: [{ ...test(({ top1 }) => (top1 === undefined ? undefined : top1 * 100)), tone: "first" }],
    }),
    lineChart({
      title: `${metric} while learning`,
      x,
      y: metric ?? "",
      series: [{ ...test((evaluation) => ownMetric(evaluation)?.value), tone: "first" }],
    }),
    lineChart({
      title: "Learning rate",
      x,
      y: "learning rate",
      series: [
        {
          name: "learning rate",
          tone: "first",
          points: thin(steps.map(({ step, learningRate }) => [step, learningRate])),
        },
      ],
    }),
  ]);
}
