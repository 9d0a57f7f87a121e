/** The record of a run as a page: one file that needs no network and no script. */

import type { PruneOutcome } from "../jobs/prune-events.ts";
import { lineChart, type Point } from "./charts.ts";
import { listed, percent, scientific, short } from "./figures.ts";
import { html, Markup } from "./html.ts";
import { layers } from "./layers.ts";
import type { RunConfig, RunRecord, RunSummary } from "./record.ts";
import { smooth, storyOf, thin, type Known, type Measured, type Story } from "./story.ts";
import { style } from "./style.ts";

/**
 * A self-contained HTML page of a run, finished or not.
 *
 * @param summary what was reached; there when the run is finished
 */
export function reportPage(config: RunConfig, records: readonly RunRecord[], summary?: RunSummary): string {
  const story = storyOf(records, summary);
  const model = config.model.path.split(/[/\\]/).at(-1)!;
  return html`<!doctype html>
    <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Pruning of ${model}</title>
        <style>
          ${new Markup(style)}
        </style>
      </head>
      <body>
        <header>
          <h1>Pruning of ${model}</h1>
          <p class="lead">${headline(model, story)}</p>
          ${story.stands === undefined ? undefined : html`<p class="notice">The run is not finished: ${story.stands}.</p>`}
          ${summary && html`<p>${endings[summary.end]}</p>`}
        </header>
        ${figures(story, summary)} ${curves(story, config.options["loss"])}
        ${layers(story, String(config.options["criterion"] ?? "the criterion"))}
        ${circumstances(config, story, summary)}
        <footer>Written by Secateur ${config.version}.</footer>
      </body>
    </html> `.text;
}

const endings: Readonly<Record<PruneOutcome["end"], string>> = {
  met: "The budget was met.",
  exhausted: "The budget was not met: every group is down to what has to stay of it.",
  "max-loss": "Pruning stopped because the training loss passed its limit.",
};

/** A line of the table of figures. */
interface Figure {
  readonly name: string;
  /** As the subject of a sentence. */
  readonly subject?: string;
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly show: (value: number) => string;
  /** Shares are compared by their difference. */
  readonly share?: boolean;
}

const milliseconds = (value: number): string => `${value.toPrecision(3)} ms`;

/** What is known of the model, before and after. */
function figuresOf({ before, after }: Story, summary: RunSummary | undefined): Figure[] {
  const figure = (
    name: string,
    of: (known: Known) => number | undefined,
    show: Figure["show"],
    more: Pick<Figure, "subject" | "share"> = {},
  ): Figure => ({ name, before: before && of(before), after: after && of(after), show, ...more });
  return [
    figure("MACs", ({ costs }) => costs.macs, short, { subject: "multiply-accumulates" }),
    figure("parameters", ({ costs }) => costs.params, short, { subject: "parameters" }),
    figure("bytes", ({ costs }) => costs.bytes, short, { subject: "bytes" }),
    figure("units", ({ units }) => units, String, { subject: "units" }),
    figure("top-1", ({ evaluation }) => evaluation?.top1, percent, { subject: "top-1 accuracy", share: true }),
    figure("top-5", ({ evaluation }) => evaluation?.top5, percent, { share: true }),
    figure("agreement", ({ evaluation }) => evaluation?.agreement, percent, {
      subject: "agreement with the original",
      share: true,
    }),
    figure(
      "loss",
      ({ evaluation }) => evaluation?.loss,
      (loss) => loss.toFixed(4),
    ),
    {
      name: "latency",
      before: summary?.before.latency?.median,
      after: summary?.after.latency?.median,
      show: milliseconds,
    },
  ].filter((row) => isNumber(row.before) || isNumber(row.after));
}

/** What is not finite is null in the record. */
const isNumber = (value: number | null | undefined): value is number => typeof value === "number";

function headline(model: string, story: Story): string {
  const told = figuresOf(story, undefined).filter(({ subject }) => subject !== undefined);
  const changes = told
    .filter(({ before, after }) => isNumber(before) && isNumber(after))
    .map(({ subject, before, after, show }) => `${subject} from ${show(before!)} to ${show(after!)}`);
  if (changes.length > 0) return `Pruning ${model} takes its ${listed(changes)}.`;
  const sizes = told.filter(({ before }) => isNumber(before));
  if (sizes.length === 0) return `Of ${model} nothing is known yet.`;
  return `${model} begins with ${listed(sizes.map(({ subject, before, show, share }) => (share ? `a ${subject} of ${show(before!)}` : `${show(before!)} ${subject}`)))}.`;
}

function figures(story: Story, summary: RunSummary | undefined): Markup | undefined {
  const rows = figuresOf(story, summary);
  if (rows.length === 0) return undefined;
  const cell = (text: string): Markup => html`<td class="number">${text}</td>`;
  return html`<section>
    <table class="figures">
      <thead>
        <tr>
          <th></th>
          <th scope="col" class="number">before</th>
          <th scope="col" class="number">after</th>
          <th scope="col" class="number">ratio</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              <th scope="row">${row.name}</th>
              ${[row.before, row.after].map((value) => cell(isNumber(value) ? row.show(value) : "–"))}${cell(compared(row))}
            </tr> `,
        )}
      </tbody>
    </table>
    ${summary?.proof && html`<p>The cut model and the masked one differ by ${scientific(summary.proof.difference)} of the largest value at most.</p>`}
  </section>`;
}

function compared({ before, after, share }: Figure): string {
  if (!isNumber(before) || !isNumber(after)) return "–";
  if (!share) return before === 0 ? "–" : ratio(after / before);
  const points = (after - before) * 100;
  return `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(2)} points`;
}

const ratio = (value: number): string => (value < 0.001 ? scientific(value) : value.toFixed(3));

function curves({ pruningLoss, measured, finetuning }: Story, loss: unknown): Markup | undefined {
  const pruning = measured.filter(({ tuned }) => !tuned);
  const tuned = measured.filter((one) => one.tuned);
  const gone = "units removed";
  const unit = loss === "cross-entropy" ? "cross-entropy (nats)" : `loss (${worded(loss)})`;
  const end = { name: "test data, at the end", tone: "second", as: "diamonds" } as const;
  const labelled = !measured.some(({ agreement }) => agreement !== undefined);
  const shareOf = ({ gone, top1 = Number.NaN, agreement = top1 }: Measured): Point => [gone, agreement * 100];
  const charts = [
    lineChart({
      title: "Loss while pruning",
      note: "The mean of the minibatches before each removal, and of the test data now and then.",
      x: gone,
      y: unit,
      wide: true,
      series: [
        { name: "training data", tone: "first", points: thin(pruningLoss) },
        { name: "test data", tone: "second", as: "dots", points: pruning.map(({ gone, loss }) => [gone, loss]) },
        { ...end, points: tuned.map(({ gone, loss }) => [gone, loss]) },
      ],
    }),
    lineChart({
      title: "Accuracy while pruning",
      note: "Of some minibatches of the test data; at the start and the end of all of it.",
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
      title: "Loss while fine-tuning",
      x: "steps",
      y: unit,
      wide: true,
      series: [
        { name: "each minibatch", tone: "faint", points: thin(finetuning) },
        { name: "smoothed", tone: "first", points: thin(smooth(finetuning)) },
      ],
    }),
  ].filter((chart) => chart !== undefined);
  return charts.length === 0
    ? undefined
    : html`<section>
        <h2>Learning</h2>
        <div class="charts">${charts}</div>
      </section>`;
}

function circumstances(config: RunConfig, { last }: Story, summary: RunSummary | undefined): Markup {
  const facts = (rows: readonly (readonly [string, unknown])[]): Markup =>
    html`<table class="facts">
      <tbody>
        ${rows.map(
          ([name, value]) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${worded(value)}</td>
            </tr> `,
        )}
      </tbody>
    </table>`;
  return html`<section>
    <h2>How to repeat it</h2>
    <pre>${config.repeat}</pre>
    ${facts([
      ["model", config.model.path],
      ["SHA-256 of the model", config.model.sha256],
      ...(summary ? [["written to", summary.output] as const] : []),
      ["seed", config.options["seed"]],
      ["begun", config.started],
      ...(last === undefined ? [] : [[summary ? "ended" : "last heard of", last] as const]),
      ["secateur", config.version],
      ...Object.entries(config.versions),
    ])}
    <h2>Configuration</h2>
    ${facts(Object.entries(config.options).map(([name, value]) => [flagOf(name), value]))}
  </section>`;
}

/** learningRate -> --learning-rate */
const flagOf = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const worded = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? "–"));
