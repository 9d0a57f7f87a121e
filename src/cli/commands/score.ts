/** secateur score and eval: importances, and how good a model is. */

import { z } from "zod";
import { targetSource, type Targets } from "../../options/learning.ts";
import { memory } from "../../options/machine.ts";
import { batches } from "../../options/ranking.ts";
import type { Commands, Context } from "../context.ts";
import { flag, handed, json, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import { evaluate, kinds as evaluateKinds } from "../../jobs/evaluate.ts";
import { kinds as scoreKinds, score } from "../../jobs/score.ts";
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
import { memorySize } from "../options/values.ts";
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

interface ScoreFlags extends ShapeFlags, ForceFlags, DataFlags, RunFlags, CriterionFlags {
  readonly targets: Targets;
  readonly batches: number;
  readonly memory?: number;
  /** A file, or true for stdout. */
  readonly json?: string | true;
}

function defineScore(command: Command, context: Context): void {
  withRun(withCriterion(withShape(withData(command, false))), 128);
  withGroup(command, "Data", [flag("--batches <n>", batches)], [flag("--targets <source>", targetSource)]);
  withGroup(command, "Machine", [], [flag("--memory <size>", memory, memorySize)]);
  withGroup(command, "Output", [
    flag("--json [file]", z.string().describe("write importances as JSON, to a file or to stdout")),
  ]);
  withExample(
    withForce(command),
    "secateur score model.onnx --data cifar10:data --criterion taylor-fo-fg --json scores.json",
    "secateur score model.onnx --criterion magnitude --json",
  ).action(async (path: string, flags: ScoreFlags) => {
    if (typeof flags.json === "string") await checkOutput(flags.json, [path], flags);
    using progress = createProgress("reading model and data");
    const model = await load(path);
    const data =
      flags.data === undefined ? undefined : await openData({ ...flags, data: flags.data }, "train", model, context);
    const started = performance.now();
    const scores = await score(model, {
      ...handed(flags, scoreKinds),
      ...runningOf(flags, context),
      data,
      onSplit: (pieces, samples) =>
        note(`every minibatch of ${flags.batchSize} is run in ${pieces} pieces of ${samples}, to stay below --memory`),
      onEvent({ kind, done, all }) {
        const what = kind === "forms" ? "form" : "minibatch";
        progress.update(`${what} ${done} of ${all}, ${remaining(started, done, all!)}`);
      },
    });
    progress.done();
    if (flags.json === undefined) {
      printTable([
        ["group", "units", "least", "median", "most"],
        ...[...scores].map(([name, values]) => {
          const sorted = [...values].sort((a, b) => a - b);
          const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)]!.toExponential(2);
          return [name, String(values.length), at(0), at(0.5), at(1)];
        }),
      ]);
      return;
    }
    const groups = Object.fromEntries([...scores].map(([name, values]) => [name, [...values]]));
    const { criterion, gates, targets } = flags;
    const importances = { criterion, gates, targets, groups };
    if (flags.json === true) {
      printJson(importances);
      return;
    }
    await writeFileAtomic(flags.json, `${JSON.stringify(importances)}\n`);
    note(`importances of ${scores.size} groups -> ${flags.json}`);
  });
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
