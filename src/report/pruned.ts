/** What stands on the page of a run of prune. */

import type { PruneOutcome } from "../jobs/prune-events.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { isShare, type ShareName } from "../evaluate/metrics.ts";
import { learningSection, lineChart, type Point } from "./charts.ts";
import {
  listed,
  lossFigure,
  lossUnit,
  metricLabel,
  negative,
  scientific,
  agreedFigure,
  countedOver,
  valueFigure,
  short,
  uncounted,
  worded,
} from "./figures.ts";
import { changesIn, figuresBetween, figuresTable, isNumber, type Figure } from "./figures-table.ts";
import { html, type Markup } from "./html.ts";
import { keptLines, littleLeft } from "./kept.ts";
import { layers } from "./layers.ts";
import { doubtOf, measuredBy } from "./measured.ts";
import type { Page } from "./page.ts";
import type { PruneSummary, RunConfig, RunRecord } from "./record.ts";
import { smooth, runHistoryOf, thin, type Measured, type RunHistory } from "./run-history.ts";

/** @param summary what was reached; there when the run is finished */
export function prunedPage(
  model: string,
  config: RunConfig,
  records: readonly RunRecord[],
  summary?: PruneSummary,
): Page {
  const history = runHistoryOf(records, summary);
  return {
    title: `Pruning of ${model}`,
    lead: headline(model, history),
    stands: history.stands,
    outcome: summary && outcomeOf(summary, config.options),
    sections: [
      figuresTable(figuresOf(history, summary), [
        keptOf(history.after?.evaluation),
        lostOf(summary),
        proofOf(summary),
        measuredBy(config, history.before?.evaluation),
      ]),
      curves(history, lossUnit(config.options)),
      layers(history, String(config.options["criterion"] ?? "the criterion")),
    ],
  };
}

const keptOf = (evaluation: Evaluation | undefined): Markup | undefined =>
  evaluation?.outputs &&
  html`<ul>
    ${keptLines(evaluation.outputs, evaluation.samples).map((line) => html`<li>${line}</li>`)}
  </ul>`;

const lostOf = (summary: PruneSummary | undefined): Markup | undefined =>
  summary?.end === "ruined" ? littleLeft(summary) : undefined;

const proofOf = (summary: PruneSummary | undefined): Markup | undefined =>
  summary?.unproved === undefined
    ? summary?.proof &&
      html`<p>
        The cut model and the masked one differ by ${scientific(summary.proof.difference)} of the largest value at most.
      </p>`
    : html`<p>Not proved: ${summary.unproved}.</p>`;

function outcomeOf({ end }: PruneSummary, { maxDrop, metric }: RunConfig["options"]): string {
  if (maxDrop === undefined) return endings[end];
  const most = `${worded(maxDrop)}${metric === undefined ? " points" : ` of ${worded(metric)}`}`;
  if (end === "met")
    return `This is the smallest model found that loses at most ${most} on the data that was held out.`;
  return end === "exhausted"
    ? `No smaller model was found that loses at most ${most}: this is the model as it was.`
    : endings[end];
}

const endings: Readonly<Record<PruneOutcome["end"], string>> = {
  met: "The budget was met.",
  exhausted: "The budget was not met: every group is down to what has to stay of it.",
  missed: "The budget was not met: the model that was written costs more than pruning had reckoned.",
  ruined: "The budget was met, but little is left of what the original said.",
  diverged: "Learning did harm and was stopped: the model that was written is the last one that was good.",
  "max-loss": "Pruning stopped because the training loss passed its limit.",
};

const milliseconds = (value: number): string => `${value.toPrecision(3)} ms`;

/** What is known of the model, before and after. */
function figuresOf({ before, after, metric }: RunHistory, summary: PruneSummary | undefined): Figure[] {
  const figure = figuresBetween([before, after]);
  const shares = (name: ShareName, subject?: string): Figure => {
    const counts = after?.evaluation?.metric?.name ?? (after?.evaluation?.top1 === undefined ? "agreement" : "top1");
    const lost = name === counts ? summary?.dropInterval : undefined;
    return figure(
      metricLabel(name),
      ({ evaluation }) => evaluation?.[name],
      // The original agrees with itself.
      (value, known) =>
        name === "agreement" && known === before ? "100 %" : agreedFigure(value, name, known.evaluation!),
      {
        compared: "points",
        samples: after?.evaluation && countedOver(name, after.evaluation),
        gained: lost && negative(lost),
        ...(subject !== undefined && { subject }),
      },
    );
  };
  const timed = figuresBetween([summary?.before, summary?.after]);
  return [
    figure("MACs", ({ costs }) => costs.macs, short, { subject: "multiply-accumulates" }),
    figure("parameters", ({ costs }) => costs.params, short, { subject: "parameters" }),
    figure("bytes", ({ costs }) => costs.bytes, short, { subject: "bytes" }),
    figure("units", ({ units }) => units, String, { subject: "units" }),
    shares("top1", "top-1 accuracy"),
    shares("top5"),
    shares("agreement", "agreement with the original"),
    ...(metric === undefined
      ? []
      : [
          figure(
            metricLabel(metric.name),
            ({ evaluation }) => evaluation?.metric?.value,
            (value) => valueFigure(value, metric),
            {
              subject: metricLabel(metric.name),
              ...(isShare(metric) && ({ compared: "points", samples: uncounted } as const)),
            },
          ),
        ]),
    figure("loss", ({ evaluation }) => evaluation?.loss, lossFigure, { compared: "difference" }),
    timed("latency", ({ latency }) => latency?.median, milliseconds),
  ].filter((row) => isNumber(row.before) || isNumber(row.after));
}

function headline(model: string, history: RunHistory): string {
  const told = figuresOf(history, undefined).filter(({ subject }) => subject !== undefined);
  const changes = changesIn(told);
  if (changes.length > 0) return `Pruning ${model} takes its ${listed(changes)}.`;
  const sizes = told.filter(({ before }) => isNumber(before));
  if (sizes.length === 0) return `Of ${model} nothing is known yet.`;
  const begins = sizes.map(({ subject, texts: [text], compared }) =>
    compared === "points" ? `a ${subject} of ${text}` : `${text} ${subject}`,
  );
  return `${model} begins with ${listed(begins)}.`;
}

function curves({ pruningLoss, measured, finetuning, metric }: RunHistory, unit: string): Markup | undefined {
  const pruning = measured.filter(({ tuned }) => !tuned);
  const tuned = measured.filter((one) => one.tuned);
  const gone = "units removed";
  const end = { name: "test data, at the end", tone: "second", as: "diamonds" } as const;
  const labelled = !measured.some(({ agreement }) => agreement !== undefined);
  const doubt = doubtOf(pruning);
  const shareOf = ({ gone, top1 = Number.NaN, agreement = top1 }: Measured): Point => [gone, agreement * 100];
  const lossAt = ({ gone, loss = Number.NaN }: Measured): Point => [gone, loss];
  const isPercent = metric !== undefined && isShare(metric);
  const title = metric && metricLabel(metric.name);
  const metricOf = ({ gone, metric = Number.NaN }: Measured): Point => [gone, isPercent ? 100 * metric : metric];
  return learningSection([
    lineChart({
      title: "Loss while pruning",
      note: "The mean of the minibatches before each removal, and of the test data now and then.",
      x: gone,
      y: unit,
      wide: true,
      series: [
        { name: "training data", tone: "first", points: thin(pruningLoss) },
        { name: "test data", tone: "second", as: "dots", points: pruning.map(lossAt) },
        { ...end, points: tuned.map(lossAt) },
      ],
    }),
    lineChart({
      title: "Accuracy while pruning",
      note:
        "Of some minibatches of the test data; at the start and the end of all of it." +
        (doubt === undefined ? "" : ` With 95 % confidence a dot is off by ${doubt} points at most.`),
      x: gone,
      y: labelled ? "top-1 accuracy (%)" : "agreement with the original (%)",
      series: [
        {
          name: "test data",
          tone: "first",
          points: pruning.map(shareOf),
        },
        { ...end, points: tuned.map(shareOf) },
      ],
    }),
    lineChart({
      title: `${title} while pruning`,
      note: "Of the same test data.",
      x: gone,
      y: `${title ?? ""}${isPercent ? " (%)" : ""}`,
      series: [
        { name: "test data", tone: "first", points: pruning.map(metricOf) },
        { ...end, points: tuned.map(metricOf) },
      ],
    }),
    lineChart({
      title: "Loss while fine-tuning",
      x: "steps",
      y: unit,
      wide: true,
      series: [
        { name: "each minibatch", tone: "faint", points: thin(finetuning) },
        { name: "smoothed", tone: "first", points: thin(smooth(finetuning)) },
      ],
    }),
  ]);
}
