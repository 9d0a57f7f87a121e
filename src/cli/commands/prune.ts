/** secateur prune: the paper's loop, then fine-tuning. */

import { type Command, Option } from "commander";
import { findCriterion } from "../../criteria/table.ts";
import { fail } from "../../graph/error.ts";
import { checkWritable } from "../../onnx/atomic-node.ts";
import { readModelFile, writeModelFile } from "../../onnx/files-node.ts";
import { trace } from "../../passes/trace.ts";
import { widen } from "../../passes/widen.ts";
import { costsOf, type Costs } from "../../prune/costs.ts";
import type { LearnEvent } from "../../train/events.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import { finetune } from "../../train/finetune.ts";
import { pers, type Per } from "../../prune/select.ts";
import { targetSources, type Targets } from "../../train/losses.ts";
import { prepare, withGraph } from "../../train/prepare.ts";
import { pruneLoop, targetOf } from "../../train/prune.ts";
import {
  count,
  learnOptions,
  numberIn,
  openData,
  positive,
  shapesOf,
  withCriterion,
  withData,
  withLearning,
  withShape,
  type CriterionFlags,
} from "../options.ts";
import { createProgress, note, printJson, short, table, type Progress } from "../output.ts";
import { epochCount, reportEpochs, type TrainFlags } from "./train.ts";

interface PruneFlags extends TrainFlags, CriterionFlags {
  readonly targets: Targets | "teacher";
  readonly macs?: number;
  readonly params?: number;
  readonly units?: number;
  readonly maxLoss?: number;
  readonly per: Per;
  readonly every: number;
  readonly unitsPerStep?: number;
  readonly scoreMomentum: number;
  readonly pruneLearningRate: number;
  readonly distil: number;
  readonly temperature: number;
  readonly json?: boolean;
}

/** Exit code where the work was done but the budget was not met. */
const notMet = 1;
/** Fine-tuning sees the data in other orders than pruning did. */
const finetuneEpoch = 1_000_000;

export function addPrune(program: Command, signal: AbortSignal): void {
  withCriterion(withLearning(withData(withShape(program.command("prune <model>"))), 0.02))
    .description("remove the least important units while learning until a budget is met, then fine-tune")
    .addOption(
      new Option(
        "--targets <source>",
        "what is learned from: the labels; without labels the outputs of the original model (teacher), or importance from classes drawn from the model's own outputs and learning from the original's (sampled)",
      )
        .choices([...targetSources, "teacher"])
        .default("labels"),
    )
    .option("--macs <share>", "multiply-accumulates to keep: a share, or a number where it is above 1", positive)
    .option("--params <share>", "parameters to keep, in the same way", positive)
    .option("--units <share>", "units to keep, in the same way", positive)
    .option("--max-loss <loss>", "stop pruning when the training loss between two removals is above this", positive)
    .addOption(
      new Option("--per <what>", "what importance is counted per: a unit, or what removing it saves")
        .choices(pers)
        .default("unit"),
    )
    .option("--every <n>", "minibatches between two removals", count, 10)
    .option("--units-per-step <n>", "units of each removal (default: 2 % of all)", count)
    .option(
      "--score-momentum <share>",
      "share of the old importances in their average over removals",
      numberIn(0, 1),
      0.9,
    )
    .option("--prune-learning-rate <rate>", "learning rate while pruning", positive, 0.01)
    .option("--epochs <n>", "passes over the training data after pruning", epochCount, 5)
    .option("--warm-up <steps>", "steps over which the learning rate of fine-tuning rises at first", epochCount, 0)
    .option("--distil <share>", "share of the original model's outputs in the loss of fine-tuning", numberIn(0, 1), 0)
    .option("--temperature <t>", "what logits are divided by to distil", positive, 4)
    .requiredOption("-o, --output <file>", "the model to write")
    .option("--json", "print what was reached as JSON")
    .addHelpText(
      "after",
      "\nExample:\n  secateur prune model.onnx --data cifar10:data --macs 0.5 --epochs 5 --crop 4 --flip -o small.onnx",
    )
    .action((path: string, flags: PruneFlags) => run(path, flags, signal));
}

async function run(path: string, flags: PruneFlags, signal: AbortSignal): Promise<void> {
  const { macs, params, units, maxLoss } = flags;
  if (macs === undefined && params === undefined && units === undefined && maxLoss === undefined)
    fail("bad-option", "say how far to prune: --macs, --params, --units or --max-loss");
  const labels = flags.targets === "labels";
  if (!labels && flags.loss !== "cross-entropy")
    fail("bad-option", `--targets ${flags.targets} goes with --loss cross-entropy only`);
  if (flags.distil > 0 && flags.loss !== "cross-entropy")
    fail("bad-option", "--distil goes with --loss cross-entropy only");
  await checkWritable(flags.output);
  const model = await readModelFile(path);
  const graph = prepare(model, shapesOf(flags));
  const budget = {
    ...(macs === undefined ? {} : { macs }),
    ...(params === undefined ? {} : { params }),
    ...(units === undefined ? {} : { units }),
  };
  const target =
    macs === undefined && params === undefined && units === undefined ? { units: 0 } : targetOf(graph, budget);
  const data = await openData({ ...flags, data: flags.data! }, "train");
  const learn = learnOptions(flags, signal);
  const before = costsOf(trace(widen(graph)));
  // Without labels all that is learned comes from the original.
  const alone = labels ? undefined : { graph, weight: 1, temperature: flags.temperature };
  const tuning = flags.distil > 0 ? { graph, weight: flags.distil, temperature: flags.temperature } : undefined;
  using progress = createProgress("reading the data");
  const pruned = await pruneLoop(nodeRuntime, graph, data, {
    ...learn,
    criterion: findCriterion(flags.criterion),
    target,
    gates: flags.gates,
    targets: flags.targets === "teacher" ? undefined : flags.targets,
    teacher: alone,
    probes: flags.probes,
    maxLoss,
    per: flags.per,
    every: flags.every,
    momentum: flags.scoreMomentum,
    learningRate: flags.pruneLearningRate,
    ...(flags.unitsPerStep === undefined ? {} : { unitsPerStep: flags.unitsPerStep }),
    onEvent: reportRemovals(progress, before),
  });
  progress.done(
    `pruned in ${pruned.removals.length} removals to ${pruned.units} units, ${short(pruned.costs.macs)} MACs`,
  );
  const tuned = await finetune(nodeRuntime, pruned.graph, data, {
    ...learn,
    epochs: flags.epochs,
    learningRate: flags.learningRate,
    warmUp: flags.warmUp,
    firstEpoch: finetuneEpoch,
    teacher: alone ?? tuning,
    onEvent: reportEpochs(progress, flags.batchSize),
  });
  signal.throwIfAborted();
  await writeModelFile(flags.output, withGraph(model, tuned));
  const after = pruned.costs;
  if (flags.json)
    printJson({
      end: pruned.end,
      removals: pruned.removals.length,
      units: pruned.units,
      before,
      after,
      output: flags.output,
    });
  else
    note(
      table([
        ["", "before", "after", "ratio"],
        ...(["params", "macs", "bytes"] as const).map((key) => [
          key,
          short(before[key]),
          short(after[key]),
          (after[key] / before[key]).toFixed(3),
        ]),
      ]),
    );
  note(`-> ${flags.output}`);
  if (pruned.end === "exhausted") note("the budget was not met: every group is down to its last unit");
  if (pruned.end === "max-loss") note(`pruning stopped because the loss passed ${maxLoss}`);
  if (pruned.end === "exhausted" || (pruned.end === "max-loss" && Object.keys(budget).length > 0))
    process.exitCode = notMet;
}

/** A line for each minibatch, with where the last removal led. */
function reportRemovals(progress: Progress, before: Costs): (event: LearnEvent) => void {
  let reached = "";
  return (event) => {
    if (event.kind === "removal") {
      const share = ((100 * event.costs.macs) / before.macs).toFixed(1);
      reached = `removal ${event.step}, ${event.units} units, ${short(event.costs.macs)} MACs (${share} %), `;
    }
    progress.update(`${reached}loss ${event.loss.toFixed(4)}`);
  };
}
