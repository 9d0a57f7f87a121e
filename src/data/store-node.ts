/** The files of a data set that is fetched: known by their checksums, and whole or not there at all. */

import { createHash } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail, SecateurError } from "../graph/error.ts";
import { readIfPresent } from "./files-node.ts";

/** sha256 in hexadecimal by file name. */
export type Checksums = Readonly<Record<string, string>>;

/** Told in whole lines what happens. */
export type FetchProgress = (line: string) => void;

export interface FetchResult {
  readonly dir: string;
  /** The files written; none where all were there. */
  readonly written: readonly string[];
}

/**
 * The files that are not there yet. Fails with `bad-data` where one is there with other content:
 * it may be the user's own.
 */
export async function findMissing(dir: string, checksums: Checksums): Promise<string[]> {
  const missing: string[] = [];
  const foreign: string[] = [];
  for (const [name, expected] of Object.entries(checksums)) {
    const bytes = await readIfPresent(join(dir, name));
    if (!bytes) missing.push(name);
    else if (sha256(bytes) !== expected) foreign.push(name);
  }
  if (foreign.length > 0)
    fail("bad-data", `${dir} already has ${foreign.join(", ")} with other content; remove it or choose another folder`);
  return missing;
}

/** Makes the folder and those above it. Fails with `io`. */
export async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (error) {
    fail("io", `cannot make the folder ${dir}: ${(error as Error).message}`, error);
  }
}

/**
 * Writes a file under another name, reads it back, compares the checksum and only then gives it its
 * name. Fails with `bad-data` on another checksum and with `io` where writing fails.
 */
export async function writeChecked(dir: string, name: string, bytes: Uint8Array, expected: string): Promise<void> {
  const file = join(dir, name);
  const partial = `${file}.${process.pid}.partial`;
  await makeFolder(dir);
  try {
    await writeFile(partial, bytes);
    const found = sha256((await readIfPresent(partial)) ?? new Uint8Array());
    if (found !== expected) fail("bad-data", `${file}: sha256 is ${found} instead of ${expected}; it was not kept`);
    await rename(partial, file);
  } catch (error) {
    if (error instanceof SecateurError) throw error;
    fail("io", `cannot write ${file}: ${(error as Error).message}`, error);
  } finally {
    await rm(partial, { force: true });
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
