/** The command line and the library do the same where nothing is said: one table has the defaults of both. */

import { Command } from "commander";
import { afterAll, describe, expect, it } from "vitest";
import { learnOptions, withLearning, type LearnFlags } from "../../src/cli/options/learning.ts";
import { criteria } from "../../src/criteria/table.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { kinds as compare } from "../../src/jobs/compare.ts";
import { kinds as cut } from "../../src/jobs/cut.ts";
import { kinds as evaluate } from "../../src/jobs/evaluate.ts";
import { kinds as plan } from "../../src/jobs/plan.ts";
import { pruneKinds as prune } from "../../src/jobs/prune-options.ts";
import { kinds as recalibrate } from "../../src/jobs/recalibrate.ts";
import { kinds as score } from "../../src/jobs/score.ts";
import { kinds as training } from "../../src/jobs/train.ts";
import { defaultOf, type Kinds } from "../../src/options/kinds.ts";
import { criterionNames, weightCriterionNames } from "../../src/options/ranking.ts";
import { stepGraph } from "../../src/train/step.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { openWorkshop, secateur } from "../cli/support.ts";

/** Options of the library whose flags have another name. */
const renamed: Readonly<Record<string, string>> = { minRate: "minLearningRate" };

describe("defaults", () => {
  const workshop = openWorkshop();
  afterAll(() => workshop.remove());

  it.each<[string, Kinds, least: number]>([
    ["prune", prune, 20],
    ["train", training(20), 10],
    ["finetune", training(5), 10],
    ["score", score, 7],
    ["eval", evaluate, 3],
    ["compare", compare, 4],
    ["plan", plan, 4],
    ["cut", cut, 2],
    ["recalibrate", recalibrate, 3],
  ])("of secateur %s are the library's", async (command, kinds, least) => {
    const { out } = await secateur(["--no-config", "config", command]);
    const { options } = JSON.parse(out) as { options: Readonly<Record<string, { value: unknown; source: string }>> };
    const flags = new Map(Object.entries(options));
    // The command line names a number of threads, which is the library's: one for each core. A metric is told by its help.
    const own = new Set(["threads", "optimiser", "schedule"]);
    const both = Object.keys(kinds).flatMap((key) => {
      const flag = flags.get(renamed[key] ?? key);
      return flag === undefined || own.has(key) ? [] : [[key, flag.value, defaultOf(kinds[key]!)] as const];
    });
    expect(both.filter(([, given, wanted]) => given !== wanted)).toEqual([]);
    expect(both.length).toBeGreaterThanOrEqual(least);
  });

  it("train alike: the graph of a step is the same, with its momentum and its decay", () => {
    const command = withLearning(new Command(), 5);
    command.parse([], { from: "user" });
    const { optimiser, clip, labelSmoothing, mixup, ema } = learnOptions(command.opts<LearnFlags>());
    const graph = prepare(newModel("lenet5", { classes: 2, seed: 1 }));
    const ofLibrary = { batch: 4, loss: "cross-entropy" } as const;
    const step = stepGraph(graph, { ...ofLibrary, optimiser, clip, labelSmoothing, mixup, ema });
    expect(step.graph).toEqual(stepGraph(graph, ofLibrary).graph);
    const decayed = { kind: "sgd", weightDecay: 1e-4 } as const;
    expect(step.graph).not.toEqual(stepGraph(graph, { ...ofLibrary, optimiser: decayed }).graph);
  });
});

describe("names of criteria", () => {
  it("are those of the table, in its order", () => {
    expect(criterionNames).toEqual([...criteria.keys()]);
    const ofWeights = [...criteria.values()].filter(({ kind }) => kind === "weights");
    expect(weightCriterionNames).toEqual(ofWeights.map(({ name }) => name));
  });
});
