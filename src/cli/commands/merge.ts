/** secateur merge: the parts that several machines scored become the importances that one would have measured. */

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Command } from "commander";
import { mergeParts } from "../../distribute/merge.ts";
import { parsePart } from "../../distribute/part.ts";
import { fail } from "../../graph/error.ts";
import { describeIo } from "../../onnx/atomic-node.ts";
import type { Commands } from "../context.ts";
import { withExample } from "../help.ts";
import { writeImportances } from "../importances.ts";
import { output, withGroup } from "../options/flag.ts";
import { note } from "../output.ts";
import { checkOutput, withForce, type ForceFlags } from "../output-file.ts";

interface MergeFlags extends ForceFlags {
  readonly output: string;
}

const howTo = `
Each machine measures a part, and merge gives the bytes of one machine:
  secateur score model.onnx --data cifar10:data --shard 1/2 -o part-1.json
  secateur score model.onnx --data cifar10:data --shard 2/2 -o part-2.json

It names parts that are missing, damaged, or of another model, data or options.`;

function defineMerge(command: Command): void {
  withGroup(command, "Output", [output("the importances to write as JSON").makeOptionMandatory()]);
  withExample(withForce(command), "secateur merge part-1.json part-2.json -o scores.json")
    .addHelpText("after", howTo)
    .action(async (paths: readonly string[], flags: MergeFlags) => {
      await checkOutput(flags.output, paths, flags);
      const parts = await Promise.all(paths.map(readPart));
      const { scores, of, remarks } = await mergeParts(parts);
      for (const remark of remarks) note(remark);
      await writeImportances(flags.output, scores, {
        criterion: of.criterion.name,
        gates: String(of.options["gates"]),
        targets: String(of.options["targets"]),
      });
    });
}

async function readPart(path: string): Promise<{ readonly name: string; readonly part: unknown }> {
  const name = basename(path);
  try {
    return { name, part: parsePart(await readFile(path, "utf8"), name) };
  } catch (error) {
    if (error instanceof Error && "syscall" in error) fail("io", `${path}: ${describeIo(error)}`, error);
    throw error;
  }
}

export const commands: Commands = { merge: defineMerge };
