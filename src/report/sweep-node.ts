/** The folder of a sweep: `sweep.json` says what its runs are, and each run has its model, its record and its log. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PruneSummary } from "./record.ts";
import { readJson } from "./report-node.ts";
import { files } from "./run-files-node.ts";
import { rowOf, type SweepRow } from "./sweep.ts";

/** One run of a sweep. */
export interface PlannedRun {
  /** Of its files. */
  readonly name: string;
  /** What tells it from the others: texts of options by their names. */
  readonly varied: Readonly<Record<string, string>>;
  /** All its options as words of `secateur prune`, but for the model and what is written. */
  readonly words: readonly string[];
}

/** What a sweep is of. */
export interface SweepConfig {
  readonly version: string;
  readonly model: { readonly path: string; readonly sha256: string };
  /** Threads of each run: others would change the last digits. */
  readonly threads: number;
  readonly runs: readonly PlannedRun[];
}

/** The file that says what a sweep is of. */
export const sweepFile = "sweep.json";

/** Where the files of a run lie. */
export const placesOf = (dir: string, { name }: Pick<PlannedRun, "name">) => ({
  model: join(dir, `${name}.onnx`),
  run: join(dir, `${name}.run`),
  log: join(dir, `${name}.log`),
});

/**
 * What a run came to; nothing where it is not finished.
 *
 * @throws SecateurError `io` where it cannot be read
 */
export async function doneRow(dir: string, run: PlannedRun): Promise<SweepRow | undefined> {
  const places = placesOf(dir, run);
  const summary = await readJson<PruneSummary>(join(places.run, files.summary));
  const plan = join(places.run, "plan.json");
  return summary && rowOf(run, summary, existsSync(plan) ? plan : undefined);
}
