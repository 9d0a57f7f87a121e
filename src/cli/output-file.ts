/** `-o`: files that commands write, and that they do not write over what they read. */

import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { z } from "zod";
import { fail } from "../graph/error.ts";
import { checkWritable } from "../onnx/atomic-node.ts";
import { flag, withGroup } from "./options/flag.ts";

export interface ForceFlags {
  readonly force?: boolean;
}

const force = z.boolean().describe("overwrite the file that is read");

export const withForce = (command: Command): Command => withGroup(command, "Output", [], [flag("--force", force)]);

/**
 * Fails where a file cannot be written, before there is work to lose, and where it is one of those that are read.
 *
 * @throws SecateurError `bad-option` naming the file, `io` where it cannot be written
 */
export async function checkOutput(output: string, read: readonly string[], { force }: ForceFlags): Promise<void> {
  if (force !== true)
    for (const path of read)
      if (await isSame(output, path))
        fail("bad-option", `${output} is read, and would be written over: give another file by -o, or --force`);
  await checkWritable(output);
}

/** Whether two paths are of one file; by what it is on the disk, as names may differ in letters or lead over links. */
async function isSame(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev;
}
