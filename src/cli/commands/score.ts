/** secateur score and eval: importances, and how good a model is. */

import { z } from "zod";
import { targetSource, type Targets } from "../../options/learning.ts";
import { shard, type Shard } from "../../options/distribute.ts";
import { memory } from "../../options/machine.ts";
import { batches } from "../../options/ranking.ts";
import type { Commands, Context } from "../context.ts";
import { flag, handed, json, output, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import { evaluate, kinds as evaluateKinds } from "../../jobs/evaluate.ts";
import { kinds as scoreKinds, score } from "../../jobs/score.ts";
import type { Scores } from "../../criteria/criterion.ts";
import { formatPart, type ScorePart } from "../../distribute/part.ts";
import { shardName } from "../../distribute/shards.ts";
import { fail } from "../../graph/error.ts";
import { writeFileAtomic } from "../../onnx/atomic-node.ts";
import { load } from "../../jobs/load-node.ts";
import type { Evaluation } from "../../evaluate/evaluate.ts";
import { isBuiltIn } from "../../evaluate/metrics.ts";
import { withExample } from "../help.ts";
import { openMetric, type MetricFlags } from "../metric.ts";
import { withCriterion, type CriterionFlags } from "../options/criterion.ts";
import { openData, withData, type DataFlags } from "../options/data.ts";
import { runningOf, withMeasured, withRun, type RunFlags } from "../options/machine.ts";
import { withShape, type ShapeFlags } from "../options/model.ts";
import { shards } from "../../options/queue.ts";
import { withHandingOut, type HandingOutFlags } from "../options/queue.ts";
import { scoreOnQueue } from "../score-on-queue.ts";
import { memorySize, shardOf } from "../options/values.ts";
import { importancesOf, writeImportances } from "../importances.ts";
import {
  lossFigure,
  metricLabel,
  note,
  print,
  printJson,
  printTable,
  shareFigure,
  table,
  valueFigure,
} from "../output.ts";
import { checkOutput, withForce, type ForceFlags } from "../output-file.ts";
import { createProgress, remaining, reportProgress } from "../progress.ts";

interface ScoreFlags extends HandingOutFlags, ShapeFlags, ForceFlags, DataFlags, RunFlags, CriterionFlags {
  readonly targets: Targets;
  readonly batches: number;
  readonly memory?: number;
  /** A file, or true for stdout. */
  readonly json?: string | true;
  readonly output?: string;
  readonly shard?: Shard;
  readonly shards: number;
}

function defineScore(command: Command, context: Context): void {
  withRun(withCriterion(withShape(withData(command, false))), 128);
  withGroup(command, "Data", [flag("--batches <n>", batches)], [flag("--targets <source>", targetSource)]);
  withGroup(command, "Machine", [], [flag("--memory <size>", memory, memorySize)]);
  withGroup(command, "Machine", [flag("--shard <part>", shard, shardOf)]);
  withGroup(withHandingOut(command), "Machine", [], [flag("--shards <n>", shards)]);
  withGroup(command, "Output", [
    output("the importances to write as JSON; with --shard, the part"),
    flag("--json [file]", z.string().describe("the same to a file, or to stdout")),
  ]);
  withExample(
    withForce(command),
    "secateur score model.onnx --data cifar10:data --criterion taylor-fo-fg --json scores.json",
    "secateur score model.onnx --criterion magnitude --json",
    "secateur score model.onnx --data cifar10:data --shard 3/16 -o part-3.json",
  ).action(async (path: string, flags: ScoreFlags) => {
    const file = outputOf(flags);
    if (file !== undefined) await checkOutput(file, [path], flags);
    using progress = createProgress("reading model and data");
    const model = await load(path);
    const data =
      flags.data === undefined ? undefined : await openData({ ...flags, data: flags.data }, "train", model, context);
    const given = { ...handed(flags, scoreKinds), ...runningOf(flags, context), data };
    if (flags.queue !== undefined || flags.dryRun) {
      const scores = await scoreOnQueue(model, given, flags, progress);
      if (scores) await writeScores(file, flags.json === true, scores, flags);
      return;
    }
    const started = performance.now();
    const found = await score(model, {
      ...given,
      onSplit: (pieces, samples) =>
        note(`every minibatch of ${flags.batchSize} is run in ${pieces} pieces of ${samples}, to stay below --memory`),
      onEvent({ kind, done, all }) {
        const what = kind === "forms" ? "form" : "minibatch";
        progress.update(`${what} ${done} of ${all}, ${remaining(started, done, all!)}`);
      },
    });
    progress.done();
    if (found instanceof Map) await writeScores(file, flags.json === true, found, flags);
    else await writePart(file!, found as ScorePart);
  });
}

/** The file that is written, if any. */
function outputOf({ json, output, shard }: ScoreFlags): string | undefined {
  if (shard && (output === undefined || json !== undefined))
    fail("bad-option", "--shard measures a part, which is written by -o alone: name its file");
  if (output !== undefined && json !== undefined)
    fail("bad-option", "-o and --json both say where importances go: give one of them");
  return output ?? (typeof json === "string" ? json : undefined);
}

/** Says what importances come to, as a table or as JSON. */
async function writeScores(
  file: string | undefined,
  asJson: boolean,
  scores: Scores,
  { criterion, gates, targets }: Pick<ScoreFlags, "criterion" | "gates" | "targets">,
): Promise<void> {
  if (file !== undefined) await writeImportances(file, scores, { criterion, gates, targets });
  else if (asJson) printJson(importancesOf(scores, { criterion, gates, targets }));
  else
    printTable([
      ["group", "units", "least", "median", "most"],
      ...[...scores].map(([name, values]) => {
        const sorted = [...values].sort((a, b) => a - b);
        const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)]!.toExponential(2);
        return [name, String(values.length), at(0), at(0.5), at(1)];
      }),
    ]);
}

async function writePart(file: string, part: ScorePart): Promise<void> {
  const { length } = part.minibatches;
  await writeFileAtomic(file, formatPart(part));
  note(`part ${shardName(part.shard)} of ${length} minibatch${length === 1 ? "" : "es"} -> ${file}`);
}

interface EvalFlags extends ShapeFlags, DataFlags, RunFlags, MetricFlags {
  readonly split: "train" | "test";
  readonly batches?: number;
  readonly json?: boolean;
}

function defineEval(command: Command, context: Context): void {
  withExample(
    withGroup(withMeasured(withShape(withData(command))), "Output", [json("print JSON")]),
    "secateur eval model.onnx --data cifar10:data --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
  ).action(async (path: string, flags: EvalFlags) => {
    using progress = createProgress("reading model and data");
    const model = await load(path);
    const metric = await openMetric(flags);
    const data = await openData({ ...flags, data: flags.data! }, flags.split, model, context);
    const result = await evaluate(model, {
      ...handed(flags, evaluateKinds),
      ...runningOf(flags, context),
      data,
      metric,
      limit: flags.batches,
      onEvent: reportProgress(progress),
    });
    progress.done();
    if (flags.json) printJson(result);
    else print(formatEvaluation(result));
  });
}

/** The lines that eval prints. */
function formatEvaluation({ loss, top1, top5, metric, samples, samplesPerSecond }: Evaluation): string {
  return table([
    ...(loss === undefined ? [] : [["loss", lossFigure(loss)]]),
    ...(top1 === undefined ? [] : [["top-1", shareFigure(top1, samples)]]),
    ...(top5 === undefined ? [] : [["top-5", shareFigure(top5, samples)]]),
    ...(metric && !isBuiltIn(metric.name) ? [[metricLabel(metric.name), valueFigure(metric.value, metric)]] : []),
    ["samples", String(samples)],
    ["images/s", samplesPerSecond.toFixed(0)],
  ]);
}

export const commands: Commands = { score: defineScore, eval: defineEval };
