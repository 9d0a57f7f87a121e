/** secateur score and eval: importances, and how good a model is. */

import { z } from "zod";
import { targetSource } from "../../options/learning.ts";
import { memory } from "../../options/machine.ts";
import { batches } from "../../options/ranking.ts";
import { flag, json, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import { evaluate } from "../../jobs/evaluate.ts";
import { score } from "../../jobs/score.ts";
import { writeFileAtomic } from "../../onnx/atomic-node.ts";
import { load } from "../../jobs/load-node.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import type { Evaluation } from "../../evaluate/evaluate.ts";
import { isBuiltIn } from "../../evaluate/metrics.ts";
import type { Targets } from "../../options/learning.ts";
import { withExample } from "../help.ts";
import { openMetric, type MetricFlags } from "../metric.ts";
import { withCriterion, type CriterionFlags } from "../options/criterion.ts";
import { openData, withData, type DataFlags } from "../options/data.ts";
import { withMeasured, withRun, type RunFlags } from "../options/machine.ts";
import { shapesOf, withShape, type ShapeFlags } from "../options/model.ts";
import { memorySize } from "../options/values.ts";
import {
  lossFigure,
  metricFigure,
  note,
  noteFixedBatch,
  print,
  printJson,
  printTable,
  shareFigure,
  table,
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

export function addScore(program: Command, signal: AbortSignal): void {
  const command = withRun(withCriterion(withShape(withData(program.command("score <model>"), false))), 128);
  withGroup(command, "Data", [flag("--batches <n>", batches)], [flag("--targets <source>", targetSource)]);
  withGroup(command, "Machine", [], [flag("--memory <size>", memory, memorySize)]);
  withGroup(command, "Output", [
    flag("--json [file]", z.string().describe("write importances as JSON, to a file or to stdout")),
  ]);
  withExample(
    withForce(command),
    "secateur score model.onnx --data cifar10:data --criterion taylor-fo-fg --json scores.json",
    "secateur score model.onnx --criterion magnitude --json",
  )
    .description("measure the importance of every unit")
    .action(async (path: string, flags: ScoreFlags) => {
      if (typeof flags.json === "string") await checkOutput(flags.json, [path], flags);
      using progress = createProgress("reading model and data");
      const model = await load(path);
      const data =
        flags.data === undefined ? undefined : await openData({ ...flags, data: flags.data }, "train", model);
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

export function addEval(program: Command, signal: AbortSignal): void {
  const command = withMeasured(withShape(withData(program.command("eval <model>"))));
  withExample(
    withGroup(command, "Output", [json("print JSON")]),
    "secateur eval model.onnx --data cifar10:data --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
  )
    .description("measure loss, accuracy and speed of a model on data")
    .action(async (path: string, flags: EvalFlags) => {
      using progress = createProgress("reading model and data");
      const model = await load(path);
      const metric = await openMetric(flags);
      const data = await openData({ ...flags, data: flags.data! }, flags.split, model);
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
        labelsAreRight: flags.labelsAreRight,
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
function formatEvaluation({ loss, top1, top5, metric, samples, samplesPerSecond }: Evaluation): string {
  return table([
    ["loss", lossFigure(loss)],
    ...(top1 === undefined ? [] : [["top-1", shareFigure(top1, samples)]]),
    ...(top5 === undefined ? [] : [["top-5", shareFigure(top5, samples)]]),
    ...(metric && !isBuiltIn(metric.name) ? [[metric.name, metricFigure(metric.value)]] : []),
    ["samples", String(samples)],
    ["images/s", samplesPerSecond.toFixed(0)],
  ]);
}
