/** What secateur prune can be told. */

import type { Command, Option } from "commander";
import { budget, removals, scheduleKind, type Budget, type ScheduleKind } from "../../options/budget.ts";
import type { SettledOf } from "../../options/kinds.ts";
import { ratios } from "../../options/ranking.ts";
import { pruneKinds } from "../../jobs/prune-options.ts";
import { budgetOf, latencyOf } from "../budgets.ts";
import { withExample } from "../help.ts";
import { patternRatio, withLimits, type LimitFlags, type Ratios } from "../limits.ts";
import { withMetric } from "../metric.ts";
import { withCriterion, withRanking, type CriterionFlags, type RankingFlags } from "../options/criterion.ts";
import { withData } from "../options/data.ts";
import { flag, flagsOf, makeRare, withGroup } from "../options/flag.ts";
import { withLearning } from "../options/learning.ts";
import { withShape } from "../options/model.ts";
import { withRecord } from "../run.ts";
import type { TrainFlags } from "./train.ts";

type Pruning = SettledOf<typeof pruneKinds>;

export interface PruneFlags
  extends
    TrainFlags,
    CriterionFlags,
    RankingFlags,
    LimitFlags,
    Budget,
    Pick<
      Pruning,
      | "targets"
      | "latency"
      | "maxLoss"
      | "maxDrop"
      | "prove"
      | "every"
      | "unitsPerStep"
      | "scoreMomentum"
      | "pruneLearningRate"
      | "distil"
      | "features"
      | "temperature"
      | "evaluateEvery"
      | "evaluateBatches"
    > {
  readonly ratio?: Ratios;
  readonly schedule: ScheduleKind;
  readonly removals: number;
}

/** Gives a command the options of pruning. */
export const withPruning = (command: Command): Command =>
  withExample(
    makeRare(
      withRecord(
        withMetric(
          withImportance(withTeaching(withLearning(withShape(withTargets(withData(withBudget(command), false))), 5))),
          flagsOf(pruneKinds, { evaluateEvery: "<n>", evaluateBatches: "<n>" }),
        ),
      ),
      "bytes",
      "criterion",
      "metric",
      "memory",
    ),
    "secateur prune model.onnx --data folder:pets --max-drop 1 -o small.onnx",
    "secateur prune model.onnx --data cifar10:data --macs 0.5 --epochs 5 --crop 4 --flip -o small.onnx",
    "secateur prune --resume small.run",
  );

const withBudget = (command: Command): Command =>
  withGroup(
    withLimits(
      withGroup(command, "Budget", [
        ...flagsOf(pruneKinds, { maxDrop: "<points>" }),
        budgetFlag("macs"),
        flag("--latency <budget>", pruneKinds.latency, latencyOf),
        budgetFlag("params"),
        budgetFlag("bytes"),
      ]),
    ),
    "Budget",
    [],
    [
      budgetFlag("units"),
      ...flagsOf(pruneKinds, { maxLoss: "<loss>" }),
      flag(
        "--ratio <pattern=share>",
        ratios.describe("share of units that may go, as 'layer2.*=0.3'; may be repeated"),
        patternRatio,
      ),
      flag("--schedule <kind>", scheduleKind),
      flag("--removals <n>", removals),
      ...flagsOf(pruneKinds, { every: "<n>", unitsPerStep: "<n>" }),
      flag("--no-prove", pruneKinds.prove),
    ],
  );

const budgetFlag = (key: keyof Budget): Option => flag(`--${key} <budget>`, budget.shape[key], budgetOf(key));

const withTargets = (command: Command): Command =>
  withGroup(command, "Data", flagsOf(pruneKinds, { targets: "<source>" }));

const withTeaching = (command: Command): Command =>
  withGroup(
    command,
    "Learning",
    flagsOf(pruneKinds, { distil: "<share>" }),
    flagsOf(pruneKinds, { features: "<pattern>", temperature: "<t>", pruneLearningRate: "<rate>" }),
  );

const withImportance = (command: Command): Command =>
  withGroup(
    withRanking(withCriterion(command), "global", "what the budget counts"),
    "Importance",
    [],
    flagsOf(pruneKinds, { scoreMomentum: "<share>" }),
  );
