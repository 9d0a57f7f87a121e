/** secateur prune: the paper's loop, then fine-tuning, with a record of both that can be gone on from. */

import { join } from "node:path";
import type { Command } from "commander";
import { describeRuin } from "../../jobs/ruined.ts";
import { prune } from "../../jobs/prune.ts";
import type { PruneOutcome } from "../../jobs/prune-events.ts";
import type { Run } from "../../report/run-node.ts";
import { formatPlan } from "../../prune/select/plan.ts";
import { writeFileAtomic } from "../../onnx/atomic-node.ts";
import type { Commands, Context } from "../context.ts";
import { keptLines } from "../../report/kept.ts";
import { note, noteTable, printJson } from "../output.ts";
import type { Progress } from "../progress.ts";
import { withLearners } from "../learn-on-queue.ts";
import { flag, makeRare, withGroup } from "../options/flag.ts";
import { dryRun } from "../prune-dry-run.ts";
import { withQueue } from "../options/queue.ts";
import type { Machines } from "../../train/spread.ts";
import { actAsRun, checkpointsOf, closeRun, resultOf, type Opened } from "../run.ts";
import { dryRunOfPrune } from "../../options/queue.ts";
import { unprovedPath } from "../write.ts";
import { budgetOf, jobOptions } from "./prune-job.ts";
import { withPruning, type PruneFlags } from "./prune-options.ts";
import { comparison, createShow, numbersOf } from "./prune-show.ts";

/** Exit code where the work was done but the budget was not met, or the proof failed. */
const notMet = 1;

function definePrune(command: Command, context: Context): void {
  const queued = makeRare(withQueue(withPruning(command)), "queue", "store");
  actAsRun<PruneFlags>(
    withGroup(queued, "Output", [], [flag("--dry-run", dryRunOfPrune)]),
    context,
    (run, flags, opened, json, progress) =>
      withLearners(flags, context, progress, (learners) => work(context, run, flags, opened, json, progress, learners)),
    (flags, opened, json, progress) => dryRun(flags, opened, json, progress, context),
  );
}

async function work(
  context: Context,
  run: Run,
  flags: PruneFlags,
  opened: Opened,
  json: boolean,
  progress: Progress,
  learners: Machines | undefined,
): Promise<void> {
  const show = createShow(progress, flags);
  const job = prune(opened.model, {
    ...jobOptions(flags, opened, context),
    learners,
    checkpoints: checkpointsOf(run, flags),
    onEvent(event) {
      run.tell(event);
      show(event);
    },
  });
  const outcome = await resultOf(job, run, progress, context);
  const { model, kept, removal, ...summary } = outcome;
  const output = outcome.unproved === undefined ? flags.output : unprovedPath(flags.output);
  const plan = join(run.dir, "plan.json");
  await closeRun(
    run,
    progress,
    model,
    { ...summary, output },
    () => {
      if (json) printJson({ ...numbersOf(outcome), output, run: run.dir });
      else {
        noteTable(comparison(outcome));
        const { outputs, samples } = outcome.after.evaluation ?? {};
        if (outputs) note(keptLines(outputs, samples!).join("\n"));
      }
    },
    flags,
    kept,
  );
  await writeFileAtomic(plan, formatPlan(removal));
  noteProof(outcome, flags, output, plan);
  noteEnd(outcome, flags);
  if (isShort(outcome, flags) || outcome.unproved !== undefined) process.exitCode = notMet;
}

/** Says where the removal is not proved, and how to do it. */
function noteProof({ unproved }: PruneOutcome, { prove }: PruneFlags, output: string | undefined, plan: string): void {
  if (unproved !== undefined)
    note(
      `not proved: ${unproved}. The model was written to ${output} and says so in its metadata; ` +
        `please report it. secateur cut MODEL --plan ${plan} tries the proof again`,
    );
  else if (!prove) note(`not proved: secateur cut MODEL --plan ${plan} -o cut.onnx proves the removal`);
}

/** Says why a run ended, where it did not simply meet its budget. */
function noteEnd(outcome: PruneOutcome, { maxDrop, metric, minUnits, maxLoss }: PruneFlags): void {
  const { end } = outcome;
  if (end === "missed") note("the budget was not met: the model that was written costs more than pruning had reckoned");
  if (end === "exhausted")
    note(
      maxDrop === undefined
        ? "the budget was not met: every group is down to what has to stay of " +
            `it${(minUnits ?? 1) > 0 ? "; with --min-units 0 groups can go as a whole" : ""}`
        : "no smaller model was found that loses at most " +
            `${maxDrop}${metric === undefined ? " points" : ` of ${metric}`}: what was ` +
            "written is the model as it was",
    );
  if (end === "ruined") note(describeRuin(outcome, "prune"));
  if (end === "max-loss") note(`pruning stopped because the loss passed ${maxLoss}`);
}

/** Whether a run ended without what was asked for. A search goes on behind a try that did harm. */
const isShort = ({ end }: PruneOutcome, flags: PruneFlags): boolean =>
  end === "max-loss" ? Object.keys(budgetOf(flags)).length > 0 : end !== "met";

export const commands: Commands = { prune: definePrune };
