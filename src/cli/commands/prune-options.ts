/** What secateur prune can be told. */

import type { Command } from "commander";
import {
  bytes,
  evaluateBatches,
  evaluateEvery,
  every,
  latency,
  macs,
  maxDrop,
  maxLoss,
  params,
  prove,
  removals,
  scheduleKind,
  scoreMomentum,
  units,
  unitsPerStep,
} from "../../options/budget.ts";
import { distil, pruneLearningRate, targets, temperature } from "../../options/learning.ts";
import { ratios } from "../../options/ranking.ts";
import type { ScheduleKind } from "../../prune/select/schedule.ts";
import type { LatencyBudget } from "../../evaluate/latency.ts";
import type { Targets } from "../../objective/losses.ts";
import { budgetOf, latencyOf } from "../budgets.ts";
import { withExample } from "../help.ts";
import { patternRatio, withLimits, type LimitFlags, type Ratios } from "../limits.ts";
import { withMetric } from "../metric.ts";
import { withCriterion, withRanking, type CriterionFlags, type RankingFlags } from "../options/criterion.ts";
import { withData } from "../options/data.ts";
import { flag, makeRare, withGroup } from "../options/flag.ts";
import { withLearning } from "../options/learning.ts";
import { withShape } from "../options/model.ts";
import { withRecord } from "../run.ts";
import type { TrainFlags } from "./train.ts";

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
    makeRare(
      withRecord(
        withMetric(
          withImportance(withTeaching(withLearning(withShape(withTargets(withData(withBudget(command), false))), 5))),
          [flag("--evaluate-every <n>", evaluateEvery), flag("--evaluate-batches <n>", evaluateBatches)],
        ),
      ),
      "bytes",
      "criterion",
      "metric",
      "memory",
    ).description("remove what matters least while learning, then fine-tune"),
    "secateur prune model.onnx --data folder:pets --max-drop 1 -o small.onnx",
    "secateur prune model.onnx --data cifar10:data --macs 0.5 --epochs 5 --crop 4 --flip -o small.onnx",
    "secateur prune --resume small.run",
  );

const withBudget = (command: Command): Command =>
  withGroup(
    withLimits(
      withGroup(command, "Budget", [
        flag("--max-drop <points>", maxDrop),
        flag("--macs <budget>", macs, budgetOf("macs")),
        flag("--latency <budget>", latency, latencyOf),
        flag("--params <budget>", params, budgetOf("params")),
        flag("--bytes <budget>", bytes, budgetOf("bytes")),
      ]),
    ),
    "Budget",
    [],
    [
      flag("--units <budget>", units, budgetOf("units")),
      flag("--max-loss <loss>", maxLoss),
      flag(
        "--ratio <pattern=share>",
        ratios.describe("share of units that may go, as 'layer2.*=0.3'; may be repeated"),
        patternRatio,
      ),
      flag("--schedule <kind>", scheduleKind),
      flag("--removals <n>", removals),
      flag("--every <n>", every),
      flag("--units-per-step <n>", unitsPerStep),
      flag("--no-prove", prove),
    ],
  );

const withTargets = (command: Command): Command => withGroup(command, "Data", [flag("--targets <source>", targets)]);

const withTeaching = (command: Command): Command =>
  withGroup(
    command,
    "Learning",
    [flag("--distil <share>", distil)],
    [flag("--temperature <t>", temperature), flag("--prune-learning-rate <rate>", pruneLearningRate)],
  );

const withImportance = (command: Command): Command =>
  withGroup(
    withRanking(withCriterion(command), "global", "what the budget counts"),
    "Importance",
    [],
    [flag("--score-momentum <share>", scoreMomentum)],
  );
