/** secateur plan, cut and mask: choosing units without data, and removing or zeroing them. */

import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { criteria, findCriterion } from "../../criteria/table.ts";
import { fail } from "../../graph/error.ts";
import type { Graph, Model } from "../../graph/graph.ts";
import { describeIo, writeFileAtomic } from "../../onnx/atomic-node.ts";
import { readModelFile, writeModelFile } from "../../onnx/files-node.ts";
import { normalise } from "../../passes/normalise.ts";
import { trace } from "../../passes/trace.ts";
import { costsOf } from "../../prune/costs.ts";
import { cut, mask } from "../../prune/cut.ts";
import { floorsOf, ratiosOf } from "../../prune/limits.ts";
import { findGroups, refuseWithout, type Groups, type Removal } from "../../prune/groups.ts";
import { formatPlan, parsePlan } from "../../prune/plan.ts";
import { assertProved, prove, type Proof } from "../../prune/prove.ts";
import { scopes, type Scope } from "../../prune/prices.ts";
import { selectShare } from "../../prune/select.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import { limitsOf, ratioOf, roundingOf, withLimits, type LimitFlags, type Ratios } from "../limits.ts";
import { seed, shapesOf, withShape, type ShapeFlags } from "../options.ts";
import { note, printJson, short, table } from "../output.ts";

interface PlanFlags extends ShapeFlags, LimitFlags {
  readonly ratio: Ratios;
  readonly criterion: string;
  readonly scope: Scope;
  readonly seed: number;
  readonly output: string;
}

/** Criteria that look at weights alone. */
const dataless = [...criteria.values()].filter(({ kind }) => kind === "weights").map(({ name }) => name);

export function addPlan(program: Command): void {
  withLimits(withShape(program.command("plan <model>")))
    .description("choose units to remove, without data, and write the plan")
    .requiredOption(
      "--ratio <share>",
      "the share of units to remove, 0 up to 1; for some groups 'layer2.*=0.3', repeated, the last that fits counts",
      ratioOf,
    )
    .addOption(new Option("--criterion <name>", "what tells importance").choices(dataless).default("magnitude"))
    .addOption(
      new Option("--scope <scope>", "the same share of every group, or of the whole net")
        .choices(scopes)
        .default("local"),
    )
    .option("--seed <n>", "seed of the criterion random", seed, 0)
    .requiredOption("-o, --output <file>", "the plan to write")
    .addHelpText(
      "after",
      "\nExample:\n  secateur plan model.onnx --ratio 0.5 -o plan.json && secateur cut model.onnx --plan plan.json -o small.onnx",
    )
    .action(async (path: string, flags: PlanFlags) => {
      const model = await readModelFile(path);
      const graph = normalise(model.graph, shapesOf(flags));
      const groups = findGroups(trace(graph));
      refuseWithout(groups);
      const criterion = findCriterion(flags.criterion);
      const importances =
        criterion.kind === "weights"
          ? criterion.score(groups, graph.initializers, flags.seed)
          : new Map<string, Float64Array>();
      const limits = limitsOf(flags, flags.ratio);
      const removal = selectShare(groups, importances, {
        ratio: flags.ratio[""] ?? 0,
        scope: flags.scope,
        roundTo: await roundingOf(flags.roundTo),
        floors: floorsOf(groups, { ...limits, ratios: undefined }),
        ratios: ratiosOf(groups, limits.ratios!),
      });
      await writeFileAtomic(flags.output, formatPlan(removal));
      const removed = [...removal.values()].reduce((n, units) => n + units.length, 0);
      const all = groups.groups.reduce((n, { units }) => n + units.length, 0);
      note(`${removed} of ${all} units of ${removal.size} of ${groups.groups.length} groups -> ${flags.output}`);
    });
}

interface ApplyFlags extends ShapeFlags {
  readonly plan: string;
  readonly output: string;
  readonly json?: boolean;
  /** Of cut only. */
  readonly prove?: boolean;
  readonly seed?: number;
}

export function addCutAndMask(program: Command): void {
  addApply(
    program,
    "cut",
    "remove the units of a plan: smaller weights, smaller sizes",
    (graph, groups, removal) => cut(graph, groups, removal).graph,
  )
    .option("--no-prove", "write without running the cut and the masked model side by side")
    .option("--seed <n>", "seed of the inputs that the proof draws", seed, 0);
  addApply(program, "mask", "keep all shapes and make the units of a plan zero wherever they are read", mask);
}

function addApply(
  program: Command,
  name: string,
  description: string,
  apply: (graph: Graph, groups: Groups, removal: Removal) => Graph,
): Command {
  return withShape(program.command(`${name} <model>`))
    .description(description)
    .requiredOption("--plan <file>", "the plan, as secateur plan writes it")
    .requiredOption("-o, --output <file>", "the model to write")
    .option("--json", "print the costs before and after as JSON")
    .action(async (path: string, flags: ApplyFlags) => {
      const file = await readModelFile(path);
      const graph = normalise(file.graph, shapesOf(flags));
      const model: Model = { ...file, graph };
      const traced = trace(graph);
      const groups = findGroups(traced);
      const removal = parsePlan(await readText(flags.plan));
      const result: Model = { ...model, graph: apply(graph, groups, removal) };
      const [before, after] = [costsOf(traced), costsOf(trace(result.graph))];
      const proof = flags.prove
        ? await prove(nodeRuntime, model, groups, removal, flags.seed === undefined ? {} : { seed: flags.seed })
        : undefined;
      if (proof) assertProved(proof);
      await writeModelFile(flags.output, result);
      if (flags.json) {
        printJson({ before, after, ...(proof && { proof }) });
        return;
      }
      note(
        table([
          ["", "before", "after"],
          ["parameters", short(before.params), short(after.params)],
          ["MACs", short(before.macs), short(after.macs)],
          ["bytes", short(before.bytes), short(after.bytes)],
        ]),
      );
      if (proof) note(formatProof(proof));
    });
}

function formatProof({ difference, elements, notFinite, between }: Proof): string {
  const lines = [
    `proved on random inputs: cut and mask differ by at most ${difference.toExponential(1)} of the range, over ${elements} elements`,
  ];
  if (between.length > 0)
    lines.push(
      `${between.length} nodes count what is removed, zeros too (${between.slice(0, 3).join(", ")}${between.length > 3 ? ", ..." : ""}): the proof goes from one to the next`,
    );
  if (notFinite > 0) lines.push(`${notFinite} of these elements are not finite and show nothing`);
  return lines.join("\n");
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    fail("io", `${path}: ${describeIo(error)}`, error);
  }
}
