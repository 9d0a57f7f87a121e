/** secateur compare: what has changed from one model to another, and whether that is still good enough. */

import { type Command, Option } from "commander";
import { fail } from "../../graph/error.ts";
import type { Model } from "../../graph/graph.ts";
import { readModelFile } from "../../onnx/files-node.ts";
import type { Difference } from "../../prune/prove.ts";
import { changesOf, type Changes } from "../../report/changes.ts";
import { compare, compareOutputs, dropOf, type Comparison, type Pair } from "../../report/compare.ts";
import { measureLatency, type Latency } from "../../report/latency.ts";
import { summarise } from "../../report/summary.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import { prepare } from "../../train/prepare.ts";
import { withExample } from "../help.ts";
import {
  count,
  notNegative,
  numberIn,
  openData,
  shapesOf,
  withData,
  withRun,
  withShape,
  type DataFlags,
  type RunFlags,
  type ShapeFlags,
} from "../options.ts";
import { createProgress, note, percent, print, printJson, printTable, remaining, short } from "../output.ts";

interface CompareFlags extends ShapeFlags, DataFlags, RunFlags {
  readonly split: "train" | "test";
  readonly batches?: number;
  readonly latency?: boolean;
  readonly rounds: number;
  readonly maxDrop?: number;
  readonly json?: boolean;
}

/** Exit code of a model that is worse by more than is allowed. */
const notMet = 1;

export function addCompare(program: Command, signal: AbortSignal): void {
  const command = withRun(withData(withShape(program.command("compare <before> <after>")), false), 200)
    .description(
      "print what has changed from one model to another: costs, units, and outputs, on random inputs or on data",
    )
    .addOption(new Option("--split <part>", "which part of the data").choices(["test", "train"]).default("test"))
    .option("--batches <n>", "no more minibatches than this", count)
    .option("--latency", "time both models in turns, at batch 1 unless --batch-size says otherwise")
    .option("--rounds <n>", "how often each model is timed", numberIn(6, Number.MAX_SAFE_INTEGER, true), 50)
    .option(
      "--max-drop <points>",
      "exit with 1 if top-1, or without labels the agreement, falls by more percentage points",
      notNegative,
    )
    .option("--json", "print JSON");
  withExample(
    command,
    "secateur compare model.onnx small.onnx",
    "secateur compare model.onnx small.onnx --data cifar10:data --max-drop 1.0 --latency",
  ).action((before: string, after: string, flags: CompareFlags) =>
    run([before, after], flags, command.getOptionValueSource("batchSize") !== "default", signal),
  );
}

/** @param ownBatch whether the batch size was asked for */
async function run(paths: Pair<string>, flags: CompareFlags, ownBatch: boolean, signal: AbortSignal): Promise<void> {
  const { data: spec, loss, batchSize, threads, seed, maxDrop, batches } = flags;
  if (maxDrop !== undefined && spec === undefined)
    fail("bad-option", "--max-drop is measured on data: say which, by --data");
  if (maxDrop !== undefined && loss !== "cross-entropy")
    fail("bad-option", "--max-drop is of top-1 or agreement, which go with --loss cross-entropy only");
  const models: Pair<Model> = [await readModelFile(paths[0]), await readModelFile(paths[1])];
  const shapes = shapesOf(flags);
  const changes = changesOf(summarise(models[0], shapes), summarise(models[1], shapes));
  const graphs = [prepare(models[0], shapes), prepare(models[1], shapes)] as const;
  using progress = createProgress("running both models");
  const started = performance.now();
  const outputs = spec === undefined ? await compareOutputs(nodeRuntime, graphs, { threads, seed, signal }) : undefined;
  const comparison =
    spec === undefined
      ? undefined
      : await compare(nodeRuntime, graphs, await openData({ ...flags, data: spec }, flags.split), {
          loss,
          batchSize,
          threads,
          signal,
          ...(batches === undefined ? {} : { limit: batches }),
          onProgress: (done, all) =>
            progress.update(
              `${done} samples${all === undefined ? "" : ` of ${all}, ${remaining(started, done, all)}`}`,
            ),
        });
  const latency = flags.latency
    ? await measureLatency(await runtimeOfThisThread(), models, {
        ...shapes,
        rounds: flags.rounds,
        batch: ownBatch ? batchSize : 1,
        threads,
        seed,
        signal,
        onProgress: (done, all) => progress.update(`round ${done} of ${all}`),
      })
    : undefined;
  progress.done();
  const drop = comparison && loss === "cross-entropy" ? dropOf(comparison) : undefined;
  if (flags.json)
    printJson({
      ...changes,
      ...(outputs && { outputs: Object.fromEntries(outputs) }),
      ...(comparison && { data: { ...comparison, ...(drop !== undefined && { drop }) } }),
      ...(latency && { latency }),
    });
  else {
    show(changes, latency, comparison);
    if (outputs) showOutputs(outputs);
  }
  if (maxDrop !== undefined && drop! > maxDrop) {
    note(`${comparison!.quality ? "top-1" : "agreement"} fell by ${drop} points, more than --max-drop ${maxDrop}`);
    process.exitCode = notMet;
  }
}

/** What a message to another thread takes would be counted. It is loaded when it is needed: a library of its own weight. */
const runtimeOfThisThread = async () => (await import("../../runtime/onnxruntime-node.ts")).directRuntime;

function show({ before, after, groups }: Changes, latency: Latency[] | undefined, comparison?: Comparison): void {
  const ratio = (a: number, b: number): string => (a === 0 ? "" : (b / a).toFixed(3));
  const milliseconds = ({ median, low, high }: Latency): string =>
    `${median.toPrecision(3)} ms (${low.toPrecision(3)} to ${high.toPrecision(3)})`;
  const points = (a: number, b: number): string => `${b < a ? "" : "+"}${(100 * (b - a)).toFixed(2)} points`;
  const [old, now] = comparison?.quality ?? [];
  printTable([
    ["", "before", "after", "change"],
    ...(
      [
        ["parameters", "params"],
        ["MACs", "macs"],
        ["bytes", "bytes"],
      ] as const
    ).map(([name, key]) => [name, short(before[key]), short(after[key]), ratio(before[key], after[key])]),
    ...(latency ? [["latency", ...latency.map(milliseconds), ratio(latency[0]!.median, latency[1]!.median)]] : []),
    ...(old && now ? [["loss", old.loss.toFixed(4), now.loss.toFixed(4), (now.loss - old.loss).toFixed(4)]] : []),
    ...(["top1", "top5"] as const).flatMap((key) => {
      const [a, b] = [old?.[key], now?.[key]];
      return a === undefined || b === undefined ? [] : [[key.replace("p", "p-"), percent(a), percent(b), points(a, b)]];
    }),
  ]);
  const changed = groups.filter((group) => group.before !== group.after);
  if (changed.length > 0) {
    print("");
    const units = (n: number | undefined): string => (n === undefined ? "-" : String(n));
    printTable([
      ["group", "before", "after"],
      ...changed.map((group) => [group.name, units(group.before), units(group.after)]),
    ]);
  }
  if (changed.length < groups.length)
    print(`\n${groups.length - changed.length} of ${groups.length} groups have the units they had`);
  if (comparison) {
    const { samples, agreement, divergence, squaredDifference } = comparison;
    print(
      `\nover ${samples} samples: ${agreement === undefined ? "" : `${percent(agreement)} agreement, divergence ${divergence!.toPrecision(3)}, `}mean squared difference ${squaredDifference.toPrecision(3)}`,
    );
  }
}

function showOutputs(outputs: ReadonlyMap<string, Difference>): void {
  print("");
  for (const [name, { largest, difference }] of outputs)
    print(
      `on random inputs "${name}" differs by at most ${largest.toPrecision(3)}, ${percent(difference)} of its range`,
    );
}
