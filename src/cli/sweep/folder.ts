/** Begins the folder of a sweep, or finds where it was stopped. */

import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../graph/error.ts";
import { writeFileAtomic } from "../../onnx/atomic-node.ts";
import { readJson } from "../../report/report-node.ts";
import { files, holderOf as holder } from "../../report/run-files-node.ts";
import { placesOf, sweepFile, type PlannedRun, type SweepConfig } from "../../report/sweep-node.ts";

/**
 * Begins a sweep in a folder, or goes on with the same one that is there.
 *
 * @returns as the sweep was begun
 * @throws SecateurError `bad-option` where the folder holds another sweep, or something else
 */
export async function openSweep(dir: string, wanted: SweepConfig): Promise<SweepConfig> {
  const path = join(dir, sweepFile);
  const known = await readJson<SweepConfig>(path);
  if (known) {
    const reason = difference(known, wanted);
    if (reason !== undefined)
      fail("bad-option", `${dir} holds another sweep: ${reason}; give the options that it began with, or another -o`);
    return known;
  }
  const there = await readdir(dir).catch(() => []);
  if (there.length > 0) fail("bad-option", `${dir} is there and is no sweep: give another folder by -o`);
  await mkdir(dir, { recursive: true });
  await writeFileAtomic(path, `${JSON.stringify(wanted, undefined, 2)}\n`);
  return wanted;
}

function difference(known: SweepConfig, wanted: SweepConfig): string | undefined {
  if (known.version !== wanted.version) return `it began with Secateur ${known.version}, and this is ${wanted.version}`;
  if (known.model.sha256 !== wanted.model.sha256) return `it is of another model than ${wanted.model.path}`;
  const [old, now] = [known, wanted].map(({ runs }) => runs.map(({ words }) => words.join(" ")));
  const missing = now!.find((one) => !old!.includes(one));
  if (missing !== undefined) return `it has no run "${missing}"`;
  const extra = old!.find((one) => !now!.includes(one));
  return extra === undefined ? undefined : `it has the run "${extra}" too`;
}

/** Whether there is something of a run to go on with. */
export const isBegun = (dir: string, run: PlannedRun): boolean =>
  existsSync(join(placesOf(dir, run).run, files.config));

/** The process that a run is going on in, if there is one. */
export const holderOf = (dir: string, run: PlannedRun): Promise<number | undefined> => holder(placesOf(dir, run).run);
