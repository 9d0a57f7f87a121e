/** What secateur prune can be told. */

import { type Command, Option } from "commander";
import { scheduleKinds, type ScheduleKind } from "../../prune/schedule.ts";
import { targetSources, type Targets } from "../../train/losses.ts";
import type { LatencyBudget } from "../../train/latency.ts";
import { budgetOf, latencyOf } from "../budgets.ts";
import { patternRatio, withLimits, type LimitFlags, type Ratios } from "../limits.ts";
import { withExample } from "../help.ts";
import { withMetric } from "../metric.ts";
import { withCriterion, withRanking, type CriterionFlags, type RankingFlags } from "../options/criterion.ts";
import { withData } from "../options/data.ts";
import { withLearning } from "../options/learning.ts";
import { withShape } from "../options/model.ts";
import { count, numberIn, positive, rateOrAuto } from "../options/values.ts";
import { withRecord } from "../run.ts";
import { epochCount, type TrainFlags } from "./train.ts";

export interface PruneFlags extends TrainFlags, CriterionFlags, RankingFlags, LimitFlags {
  readonly targets: Targets | "teacher";
  readonly macs?: number;
  readonly params?: number;
  readonly bytes?: number;
  readonly units?: number;
  readonly latency?: LatencyBudget;
  readonly ratio?: Ratios;
  readonly schedule: ScheduleKind;
  readonly removals: number;
  readonly maxLoss?: number;
  readonly maxDrop?: number;
  readonly prove: boolean;
  readonly every?: number;
  readonly unitsPerStep?: number;
  readonly scoreMomentum: number;
  readonly pruneLearningRate: number | "auto";
  readonly distil: number;
  readonly temperature: number;
  readonly evaluateEvery: number;
  readonly evaluateBatches: number;
}

/** Gives a command the options of pruning. */
export const withPruning = (command: Command): Command =>
  withExample(
    withRecord(withPruningItself(command)),
    "secateur prune model.onnx --data cifar10:data --macs 0.5 --epochs 5 --crop 4 --flip -o small.onnx",
    "secateur prune --resume small.run",
  );

const withPruningItself = (command: Command): Command =>
  withRanking(withLimits(withCriterion(withMetric(withLearning(withData(withShape(command), false))))), {
    scope: "global",
    scopes: "whom a unit is compared with: all, those of its group, or of groups built alike",
    per: "what the budget counts, else macs",
  })
    .description("remove the least important units while learning until a budget is met, then fine-tune")
    .addOption(
      new Option(
        "--targets <source>",
        "what is learned from: the labels; without labels the outputs of the original model (teacher), or importance from classes drawn from the model's own outputs and learning from the original's (sampled)",
      )
        .choices([...targetSources, "teacher"])
        .default("labels"),
    )
    .option("--macs <budget>", "multiply-accumulates to keep: 0.5 or 50% of them, or a number as 50M", budgetOf("macs"))
    .option("--params <budget>", "parameters to keep, as 0.5, 50% or 2M", budgetOf("params"))
    .option("--bytes <budget>", "bytes of weights to keep, as 0.5, 50% or 8MB", budgetOf("bytes"))
    .option("--units <budget>", "units to keep, as 0.5, 50% or 300units", budgetOf("units"))
    .option(
      "--latency <budget>",
      "time of one sample to reach, measured on this machine: 0.5 or 50% of it, or 3ms; widths are rounded to what its kernels take",
      latencyOf,
    )
    .option(
      "--max-drop <points>",
      "search for the smallest model that loses at most so many percentage points of top-1 (without labels: of agreement with the original), or so much of --metric, on a tenth of the data that is held out",
      positive,
    )
    .option("--no-prove", "do not run the cut and the masked model side by side before fine-tuning")
    .option("--max-loss <loss>", "stop pruning when the training loss between two removals is above this", positive)
    .option(
      "--ratio <pattern=share>",
      "the share of units that may go of some groups, as 'layer2.*=0.3'; may be repeated, the last that fits counts",
      patternRatio,
    )
    .addOption(
      new Option(
        "--schedule <kind>",
        "the same number of units each time, or all planned: in equal steps, in smaller and smaller ones, at once",
      )
        .choices(scheduleKinds)
        .default("steady"),
    )
    .option("--removals <n>", "removals of a planned schedule", count, 25)
    .option("--every <n>", "minibatches between two removals (default: 10, with little data fewer)", count)
    .option("--units-per-step <n>", "units of each removal (default: 2 % of all)", count)
    .option(
      "--score-momentum <share>",
      "share of the old importances in their average over removals",
      numberIn(0, 1),
      0.9,
    )
    .option(
      "--prune-learning-rate <rate>",
      "learning rate while pruning; auto: found by a short trial",
      rateOrAuto,
      "auto",
    )
    .option("--epochs <n>", "passes over the training data after pruning", epochCount, 5)
    .option("--warm-up <steps>", "steps over which the learning rate of fine-tuning rises at first", epochCount, 0)
    .option("--distil <share>", "share of the original model's outputs in the loss of fine-tuning", numberIn(0, 1), 0)
    .option("--temperature <t>", "what logits are divided by to distil", positive, 4)
    .option("--evaluate-every <n>", "removals between two measurements on the test part of the data", count, 5)
    .option(
      "--evaluate-batches <n>",
      "minibatches of such a measurement; at the start and the end it is the whole part",
      count,
      16,
    );
