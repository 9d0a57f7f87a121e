/** Reading the files of a data set, with errors that name the file. */

import { readFile } from "node:fs/promises";
import { fail } from "../graph/error.ts";

/** The bytes of a file, or nothing where it does not exist. Fails with `io` on any other trouble. */
export async function readIfPresent(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    return fail("io", `cannot read ${file}: ${message}`, error);
  }
}
