/** secateur compare: what has changed from one model to another, and whether that is still good enough. */

import { z } from "zod";
import { notNegative } from "../../options/kinds.ts";
import { rounds } from "../../options/machine.ts";
import type { Commands, Context } from "../context.ts";
import { flag, handed, json, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import { fail } from "../../graph/error.ts";
import { compare, kinds, type CompareOutcome, type DataComparison } from "../../jobs/compare.ts";
import { load } from "../../jobs/load-node.ts";
import type { Difference } from "../../prune/proof/differ.ts";
import type { Changes } from "../../prune/changes.ts";
import type { Comparison, Pair } from "../../evaluate/compare.ts";
import { isDoubtful, type Drop } from "../../evaluate/drop.ts";
import type { Top } from "../../evaluate/hits.ts";
import { intervalOfLoss } from "../../evaluate/intervals.ts";
import { isBuiltIn, type MetricValue } from "../../evaluate/metrics.ts";
import type { Timing } from "../../evaluate/timing.ts";
import { keptLines } from "../../report/kept.ts";
import { withExample } from "../help.ts";
import { openMetric, type MetricFlags } from "../metric.ts";
import { openData, withData, type DataFlags } from "../options/data.ts";
import { runningOf, withMeasured, type RunFlags } from "../options/machine.ts";
import { withShape, type ShapeFlags } from "../options/model.ts";
import {
  changeFigure,
  counted,
  dropFigure,
  lossFigure,
  metricLabel,
  note,
  percent,
  pointsFigure,
  print,
  printJson,
  printTable,
  shareFigure,
  short,
  valueFigure,
} from "../output.ts";
import { createProgress, reportProgress } from "../progress.ts";

interface CompareFlags extends ShapeFlags, DataFlags, RunFlags, MetricFlags {
  readonly split: "train" | "test";
  readonly batches?: number;
  readonly latency?: boolean;
  readonly rounds: number;
  readonly maxDrop?: number;
  readonly json?: boolean;
}

/** Exit code of a model that is worse by more than is allowed. */
const notMet = 1;

function defineCompare(command: Command, context: Context): void {
  withMeasured(withShape(withData(command, false)));
  withGroup(
    command,
    "Measuring",
    [
      flag("--max-drop <points>", notNegative.describe("exit with 1 if more points are lost, of top-1 or --metric")),
      flag(
        "--latency",
        z.boolean().describe("time both models in turns, at batch 1 unless --batch-size says otherwise"),
      ),
    ],
    [flag("--rounds <n>", rounds)],
  );
  withGroup(command, "Output", [json("print JSON")]);
  withExample(
    command,
    "secateur compare model.onnx small.onnx",
    "secateur compare model.onnx small.onnx --data cifar10:data --max-drop 1.0 --latency",
  ).action((before: string, after: string, flags: CompareFlags) =>
    run([before, after], flags, command.getOptionValueSource("batchSize") !== "default", context),
  );
}

/** @param ownBatch whether the batch size was asked for */
async function run(paths: Pair<string>, flags: CompareFlags, ownBatch: boolean, context: Context): Promise<void> {
  const { data: spec, batchSize, maxDrop } = flags;
  if (maxDrop !== undefined && spec === undefined)
    fail("bad-option", "--max-drop is measured on data: say which, by --data");
  if (flags.metric !== undefined && spec === undefined)
    fail("bad-option", "--metric is measured on data: say which, by --data");
  const metric = await openMetric(flags);
  using progress = createProgress("reading and comparing");
  const models = [await load(paths[0]), await load(paths[1])] as const;
  const data =
    spec === undefined ? undefined : await openData({ ...flags, data: spec }, flags.split, models[0], context);
  const found = await compare(...models, {
    ...handed(flags, kinds),
    ...runningOf(flags, context),
    data,
    metric,
    limit: flags.batches,
    latency: flags.latency && { rounds: flags.rounds, batch: ownBatch ? batchSize : 1 },
    onEvent: reportProgress(progress),
  });
  progress.done();
  const { outputs, ...rest } = found;
  if (flags.json) printJson({ ...rest, ...(outputs && { outputs: Object.fromEntries(outputs) }) });
  else show(found);
  if (maxDrop !== undefined) judge(found.data!, maxDrop);
}

/** Fails where more was lost than may be, and says where so few samples cannot tell. */
function judge({ drop, share, dropInterval, metric, quality, samples }: DataComparison, maxDrop: number): void {
  if (drop === undefined) fail("bad-option", "none of the outputs can be compared: --max-drop needs a --metric here");
  const found: Drop = {
    metric: metric?.[0].name ?? (quality?.[0].top1 === undefined ? "agreement" : "top1"),
    drop,
    ...(share === true && { share }),
    ...(dropInterval && { dropInterval }),
  };
  const remarks = [
    ...(drop > maxDrop ? [`more than --max-drop ${maxDrop}`] : []),
    ...(isDoubtful(found, maxDrop)
      ? [`${counted(samples)} cannot tell whether it loses more than --max-drop ${maxDrop}: measure on more`]
      : []),
  ];
  if (drop > maxDrop) process.exitCode = notMet;
  if (remarks.length > 0) note([`the second model ${dropFigure(found)}`, ...remarks].join("; "));
}

function show({ outputs, data, latency, ...changes }: CompareOutcome): void {
  printTable([
    ["", "before", "after", "change"],
    ...costRows(changes),
    ...(latency ? [latencyRow(latency)] : []),
    ...(data ? qualityRows(data) : []),
    ...(data?.metric ? metricRows(data.metric) : []),
  ]);
  const { groups } = changes;
  const changed = groups.filter(({ before, after }) => before !== after);
  const units = (n: number | undefined): string => (n === undefined ? "-" : String(n));
  if (changed.length > 0) {
    print("");
    printTable([
      ["group", "before", "after"],
      ...changed.map(({ name, before, after }) => [name, units(before), units(after)]),
    ]);
  }
  if (changed.length < groups.length)
    print(`\n${groups.length - changed.length} of ${groups.length} groups have the units they had`);
  if (data) print(`\n${formatComparison(data)}`);
  if (outputs) print(`\n${[...outputs].map(formatDifference).join("\n")}`);
}

const costNames = { params: "parameters", macs: "MACs", bytes: "bytes" } as const;

const costRows = ({ before, after }: Changes): string[][] =>
  (["params", "macs", "bytes"] as const).map((key) => [
    costNames[key],
    short(before[key]),
    short(after[key]),
    ratio(before[key], after[key]),
  ]);

function latencyRow([before, after]: Pair<Timing>): string[] {
  const milliseconds = ({ median, low, high }: Timing): string =>
    `${median.toPrecision(3)} ms (${low.toPrecision(3)} to ${high.toPrecision(3)})`;
  return ["latency", milliseconds(before), milliseconds(after), ratio(before.median, after.median)];
}

function qualityRows({ quality, changed, samples }: DataComparison): string[][] {
  if (!quality) return [];
  const [before, after] = quality;
  const hits = (key: Top, name: string): string[][] => {
    const [a, b] = [before[key], after[key]];
    if (a === undefined || b === undefined) return [];
    const lost = changed && intervalOfLoss(changed[key], samples);
    const gained = lost && { low: -100 * lost.high, high: -100 * lost.low };
    return [[name, shareFigure(a, samples), shareFigure(b, samples), pointsFigure(100 * (b - a), samples, gained)]];
  };
  return [...lossRows(before.loss, after.loss), ...hits("top1", "top-1"), ...hits("top5", "top-5")];
}

function lossRows(before: number | undefined, after: number | undefined): string[][] {
  if (before === undefined || after === undefined) return [];
  const more = after - before;
  return [["loss", lossFigure(before), lossFigure(after), `${more < 0 ? "" : "+"}${lossFigure(more)}`]];
}

/** A metric that counts for itself; the others stand in their places. */
function metricRows(pair: Pair<MetricValue>): string[][] {
  const [before, after] = pair;
  if (isBuiltIn(before.name)) return [];
  return [
    [metricLabel(before.name), valueFigure(before.value, before), valueFigure(after.value, after), changeFigure(pair)],
  ];
}

const ratio = (before: number, after: number): string => (before === 0 ? "" : (after / before).toFixed(3));

function formatComparison({ samples, agreement, divergence, outputs, intervals, ...rest }: Comparison): string {
  const over = `over ${counted(samples)}`;
  const lines = outputs ? keptLines(outputs, samples) : [];
  if (!intervals || agreement === undefined) {
    const told = agreement === undefined ? "" : `agreement ${percent(agreement)}; `;
    return [
      `${over}: ${told}what is kept of each output of the first model:`,
      ...lines.map((line) => `  ${line}`),
    ].join("\n");
  }
  const classes = `agreement ${shareFigure(agreement, samples)}, divergence ${divergence!.toPrecision(3)}, `;
  return [`${over}: ${classes}mean squared difference ${rest.squaredDifference.toPrecision(3)}`, ...lines].join("\n");
}

const formatDifference = ([name, { largest, difference }]: readonly [string, Difference]): string =>
  `on random inputs "${name}" differs by at most ${largest.toPrecision(3)}, ${percent(difference)} of its range`;

export const commands: Commands = { compare: defineCompare };
