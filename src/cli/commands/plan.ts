/** secateur plan, cut and mask: choosing units without data, and removing or zeroing them. */

import { z } from "zod";
import { pruning } from "../../options/budget.ts";
import { seed } from "../../options/machine.ts";
import { ratios, weightCriterionNames, type CriterionName } from "../../options/ranking.ts";
import { withRanking, type RankingFlags } from "../options/criterion.ts";
import type { Commands, Context } from "../context.ts";
import { flag, handed, json, output, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import type { SecateurError } from "../../graph/error.ts";
import type { Model } from "../../graph/graph.ts";
import { cutAndProve, kinds as cutKinds, mask, type CutOutcome } from "../../jobs/cut.ts";
import { kinds as planKinds, plan } from "../../jobs/plan.ts";
import { markedUnproved } from "../../jobs/proving.ts";
import { writeFileAtomic } from "../../onnx/atomic-node.ts";
import { load } from "../../jobs/load-node.ts";
import type { Removal } from "../../prune/coupling/removal.ts";
import { formatPlan, parsePlan, parseScores } from "../../prune/select/plan.ts";
import type { Proof } from "../../prune/proof/prove.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import { limitsOf, noteRounding, ratioOf, withLimits, type LimitFlags, type Ratios } from "../limits.ts";
import { runningOf, withCompute, withDevice, type ComputeFlags, type DeviceFlags } from "../options/machine.ts";
import { shapesOf, withOpset, withShape, type OpsetFlags, type ShapeFlags } from "../options/model.ts";
import { withExample } from "../help.ts";
import { note, noteTable, printJson, short } from "../output.ts";
import { checkOutput, withForce, type ForceFlags } from "../output-file.ts";
import { createProgress } from "../progress.ts";
import { readText } from "../read-text.ts";
import { unprovedPath, writeModel } from "../write.ts";

interface PlanFlags extends ShapeFlags, LimitFlags, DeviceFlags, ForceFlags, RankingFlags {
  readonly scores?: string;
  readonly ratio: Ratios;
  readonly criterion: CriterionName;
  readonly seed: number;
  readonly output: string;
  readonly json?: boolean;
}

function definePlan(command: Command, context: Context): void {
  withGroup(command, "Budget", [
    flag(
      "--ratio <share>",
      ratios.describe("share of units to remove; of some groups 'layer2.*=0.3', repeated"),
      ratioOf,
    ).makeOptionMandatory(),
  ]);
  withShape(withLimits(command));
  withGroup(
    command,
    "Importance",
    [
      flag(
        "--criterion <name>",
        z.enum(weightCriterionNames).default("magnitude").describe("how importance is measured"),
      ).conflicts("scores"),
      flag("--scores <file>", z.string().describe("importances, as secateur score --json writes them")),
    ],
    [flag("--seed <n>", seed)],
  );
  withRanking(command, "local", "unit");
  withGroup(withDevice(command), "Output", [
    output("the plan to write").makeOptionMandatory(),
    json("print how many units of each group go as JSON"),
  ]);
  withExample(
    withForce(command),
    "secateur plan model.onnx --ratio 0.5 -o plan.json && secateur cut model.onnx --plan plan.json -o small.onnx",
    "secateur plan model.onnx --scores scores.json --ratio 0.5 -o plan.json",
  ).action(async (path: string, flags: PlanFlags) => {
    await checkOutput(flags.output, [path, ...(flags.scores === undefined ? [] : [flags.scores])], flags);
    using progress = createProgress("planning");
    const scores = flags.scores === undefined ? undefined : parseScores(await readText(flags.scores));
    const { removal, groups, roundTo } = await plan(await load(path), {
      ...handed(flags, planKinds),
      ...shapesOf(flags, context),
      ...limitsOf(flags, flags.ratio),
      ratio: flags.ratio[""],
      scores,
      runtime: nodeRuntime,
    });
    progress.done();
    if (flags.roundTo === "auto") noteRounding(roundTo);
    await writeFileAtomic(flags.output, formatPlan(removal));
    const removed = groups.reduce((n, group) => n + group.removed, 0);
    const units = groups.reduce((n, group) => n + group.units, 0);
    if (flags.json) printJson({ removed, units, groups, output: flags.output });
    note(`${removed} of ${units} units of ${removal.size} of ${groups.length} groups -> ${flags.output}`);
  });
}

interface ApplyFlags extends ShapeFlags, OpsetFlags, ForceFlags, Partial<ComputeFlags> {
  readonly plan: string;
  readonly output: string;
  readonly json?: boolean;
  /** Of cut only. */
  readonly prove?: boolean;
  readonly seed?: number;
}

function defineCut(command: Command, context: Context): void {
  defineApply(command, (model, removal, flags) =>
    cutAndProve(model, removal, { ...handed(flags, cutKinds), ...runningOf(flags, context) }),
  );
  withGroup(withCompute(command), "Output", [], [flag("--no-prove", pruning.prove), flag("--seed <n>", seed)]);
}

const defineMask = (command: Command, context: Context): void =>
  defineApply(command, (model, removal, flags) => mask(model, removal, runningOf(flags, context)));

type Outcome = CutOutcome & { readonly failure?: SecateurError };

/** Exit code where the model is written beside. */
const notProved = 1;

function defineApply(
  command: Command,
  apply: (model: Model, removal: Removal, flags: ApplyFlags) => Outcome | Promise<Outcome>,
): void {
  const name = command.name();
  withGroup(command, "Data", [
    flag("--plan <file>", z.string().describe("the plan, as secateur plan writes it")).makeOptionMandatory(),
  ]);
  withGroup(withShape(command), "Output", [
    output("the model to write").makeOptionMandatory(),
    json("print the costs before and after as JSON"),
  ]);
  withExample(withForce(withOpset(command)), `secateur ${name} model.onnx --plan plan.json -o ${name}.onnx`).action(
    async (path: string, flags: ApplyFlags) => {
      await checkOutput(flags.output, [path, flags.plan], flags);
      using progress = createProgress(name === "cut" ? "cutting and proving" : "masking");
      const model = await load(path);
      const removal = parsePlan(await readText(flags.plan));
      const { model: changed, before, after, proof, failure } = await apply(model, removal, flags);
      const output = failure ? unprovedPath(flags.output) : flags.output;
      await writeModel(output, failure ? markedUnproved(changed, failure.message) : changed, flags);
      progress.done();
      if (failure) {
        note(`not proved: ${failure.message}. The cut model was written to ${output} and says so in its metadata`);
        process.exitCode = notProved;
        return;
      }
      if (flags.json) {
        printJson({ before, after, ...(proof && { proof }) });
        return;
      }
      noteTable([
        ["", "before", "after"],
        ["parameters", short(before.params), short(after.params)],
        ["MACs", short(before.macs), short(after.macs)],
        ["bytes", short(before.bytes), short(after.bytes)],
      ]);
      if (proof) note(formatProof(proof));
    },
  );
}

/** What a proof has shown, and what it could not. */
function formatProof(proof: Proof): string {
  const { difference, elements, notFinite, noisy, between, random, unoptimised, at } = proof;
  const shown = (shapes: Proof["at"][number]): string =>
    Object.entries(shapes)
      .slice(0, 2)
      .map(([name, shape]) => `${name}=${shape.join("x")}`)
      .join(" ");
  const few = (nodes: readonly string[]): string => `${nodes.slice(0, 3).join(", ")}${nodes.length > 3 ? ", ..." : ""}`;
  const lines = [
    `proved on random inputs: cut and mask differ by at most ${difference.toExponential(1)} of the range, ` +
      `over ${elements} elements`,
    `run at ${at.map(shown).join(", ")}`,
  ];
  if (between.length > 0)
    lines.push(
      `${between.length} nodes count what is removed, zeros too (${few(between)}): the proof goes from one to the next`,
    );
  if (random.length > 0)
    lines.push(
      `${few(random)}: its results differ from run to run, so the cut model was given those of the masked ` +
        "one; export the model in evaluation mode",
    );
  if (unoptimised)
    lines.push(
      "compared without onnxruntime's optimiser: with it the two differ by more, as it changes what one of " +
        "them computes; try the original with and without it",
    );
  if (noisy > 0)
    lines.push(`${noisy} of these elements differ by more, but by no more than float32 rounding makes of them`);
  if (notFinite > 0) lines.push(`${notFinite} of these elements are not finite and show nothing`);
  return lines.join("\n");
}

export const commands: Commands = { plan: definePlan, cut: defineCut, mask: defineMask };
