/** secateur score and eval: importances, and how good a model is. */

import { type Command, Option } from "commander";
import { evaluate } from "../../jobs/evaluate.ts";
import { score } from "../../jobs/score.ts";
import { writeFileAtomic } from "../../onnx/atomic-node.ts";
import { load } from "../../jobs/load-node.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import type { Evaluation } from "../../train/evaluate.ts";
import { isBuiltIn } from "../../train/metrics.ts";
import { targetSources, type Targets } from "../../train/losses.ts";
import { withExample } from "../help.ts";
import { openMetric, withMetric, type MetricFlags } from "../metric.ts";
import { withCriterion, type CriterionFlags } from "../options/criterion.ts";
import { openData, withData, type DataFlags } from "../options/data.ts";
import { withRun, type RunFlags } from "../options/machine.ts";
import { shapesOf, withShape, type ShapeFlags } from "../options/model.ts";
import { count, memorySize } from "../options/values.ts";
import { metricFigure, note, noteFixedBatch, percent, print, printJson, printTable, table } from "../output.ts";
import { checkOutput, withForce, type ForceFlags } from "../output-file.ts";
import { createProgress, remaining, reportProgress } from "../progress.ts";

interface ScoreFlags extends ShapeFlags, ForceFlags, DataFlags, RunFlags, CriterionFlags {
  readonly targets: Targets;
  readonly batches: number;
  readonly memory?: number;
  /** A file, or true for stdout. */
  readonly json?: string | true;
}

export function addScore(program: Command, signal: AbortSignal): void {
  withExample(
    withForce(withCriterion(withRun(withData(withShape(program.command("score <model>")), false)))),
    "secateur score model.onnx --data cifar10:data --criterion taylor-fo-fg --json scores.json",
    "secateur score model.onnx --criterion magnitude --json",
  )
    .description("measure the importance of every unit")
    .addOption(
      new Option(
        "--targets <source>",
        "what the loss compares with: the labels, or classes drawn from the model's own outputs, which needs no labels",
      )
        .choices(targetSources)
        .default("labels"),
    )
    .option("--batches <n>", "minibatches to average over", count, 10)
    .option(
      "--memory <size>",
      "what the process should stay below, as 2GB: minibatches that would take more are run in pieces, which gives the same importances",
      memorySize,
    )
    .option(
      "--json [file]",
      "write the importances as JSON, or print them where no file is named; otherwise a table is printed",
    )
    .action(async (path: string, flags: ScoreFlags) => {
      if (typeof flags.json === "string") await checkOutput(flags.json, [path], flags);
      using progress = createProgress("reading model and data");
      const model = await load(path);
      const data = flags.data === undefined ? undefined : await openData({ ...flags, data: flags.data }, "train");
      const started = performance.now();
      const scores = await score(model, {
        ...shapesOf(flags),
        criterion: flags.criterion,
        gates: flags.gates,
        probes: flags.probes,
        targets: flags.targets,
        loss: flags.loss,
        batchSize: flags.batchSize,
        batches: flags.batches,
        memory: flags.memory,
        seed: flags.seed,
        device: flags.device,
        threads: flags.threads,
        onFixedBatch: noteFixedBatch,
        data,
        runtime: nodeRuntime,
        signal,
        onSplit: (pieces, samples) =>
          note(
            `every minibatch of ${flags.batchSize} is run in ${pieces} pieces of ${samples}, to stay below --memory`,
          ),
        onEvent: ({ done, all }) => progress.update(`minibatch ${done} of ${all}, ${remaining(started, done, all!)}`),
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

export function addEval(program: Command, signal: AbortSignal): void {
  withExample(
    withMetric(withRun(withData(withShape(program.command("eval <model>"))), 200)),
    "secateur eval model.onnx --data cifar10:data --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
  )
    .description("print the loss, top-1, top-5, a metric of your own and images/s of a model on labelled data")
    .addOption(new Option("--split <part>", "which part of the data").choices(["test", "train"]).default("test"))
    .option("--batches <n>", "no more minibatches than this", count)
    .option("--json", "print JSON")
    .action(async (path: string, flags: EvalFlags) => {
      using progress = createProgress("reading model and data");
      const model = await load(path);
      const metric = await openMetric(flags);
      const data = await openData({ ...flags, data: flags.data! }, flags.split);
      const result = await evaluate(model, {
        ...shapesOf(flags),
        onFixedBatch: noteFixedBatch,
        data,
        runtime: nodeRuntime,
        loss: flags.loss,
        metric,
        batchSize: flags.batchSize,
        device: flags.device,
        limit: flags.batches,
        threads: flags.threads,
        signal,
        onEvent: reportProgress(progress),
      });
      progress.done();
      if (flags.json) printJson(result);
      else print(formatEvaluation(result));
    });
}

/** The lines that eval prints. */
export function formatEvaluation({ loss, top1, top5, metric, samples, samplesPerSecond }: Evaluation): string {
  return table([
    ["loss", loss.toFixed(4)],
    ...(top1 === undefined ? [] : [["top-1", percent(top1)]]),
    ...(top5 === undefined ? [] : [["top-5", percent(top5)]]),
    ...(metric && !isBuiltIn(metric.name) ? [[metric.name, metricFigure(metric)]] : []),
    ["samples", String(samples)],
    ["images/s", samplesPerSecond.toFixed(0)],
  ]);
}
