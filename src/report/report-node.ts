/** Reads the directory of a run, and writes into it what people and TensorBoard look at. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../graph/error.ts";
import { describeIo, writeFileAtomic } from "../onnx/atomic-node.ts";
import { nextSteps, type NextStep } from "./next.ts";
import type { RunConfig, RunRecord, RunSummary } from "./record.ts";
import { reportPage } from "./report.ts";
import { files } from "./run-files-node.ts";
import { readRecords } from "./run-node.ts";
import { eventsFileName, tensorboardEvents } from "./tensorboard.ts";

/** A run as it lies on the disk, going on or at its end. */
export interface StoredRun {
  readonly config: RunConfig;
  readonly records: readonly RunRecord[];
  /** Missing until the run is finished. */
  readonly summary: RunSummary | undefined;
}

/**
 * @throws SecateurError `io` where the directory holds no run or its files are damaged
 */
export async function readRun(dir: string): Promise<StoredRun> {
  const config = await readJson<RunConfig>(join(dir, files.config));
  if (!config) fail("io", `${dir} is no run of secateur: it has no ${files.config}`);
  const summary = await readJson<RunSummary>(join(dir, files.summary));
  return { config, records: readRecords(dir), summary };
}

export interface WrittenReport {
  /** Of the page. */
  readonly path: string;
  /** What is most worth doing after a run that is finished. */
  readonly next: NextStep | undefined;
}

/**
 * Writes the page and the events for TensorBoard from the record of a run, finished or not.
 *
 * @param path the page, where it is not to lie in the run
 * @throws SecateurError `io`
 */
export async function writeReport(dir: string, path: string = join(dir, files.report)): Promise<WrittenReport> {
  const { config, records, summary } = await readRun(dir);
  await writeFileAtomic(path, reportPage(config, records, summary));
  await writeFileAtomic(join(dir, eventsFileName(config.started)), tensorboardEvents(records, config.started));
  return { path, next: summary && nextSteps(config, records, summary)[0] };
}

/**
 * What a file of JSON holds; nothing where there is none.
 *
 * @throws SecateurError `io` where it cannot be read or is damaged
 */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if (error instanceof SyntaxError) fail("io", `${path} is damaged: it is not JSON`, error);
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    return fail("io", `${path}: ${describeIo(error)}`, error);
  }
}
