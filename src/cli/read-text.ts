/** Text files that a command line names. */

import { readFile } from "node:fs/promises";
import { fail } from "../graph/error.ts";
import { describeIo } from "../onnx/atomic-node.ts";

/** @throws SecateurError `io` */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    fail("io", `${path}: ${describeIo(error)}`, error);
  }
}
