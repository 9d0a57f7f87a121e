/** What the runs of sweeps came to, asked for anew whenever another run is done. */

import { effect, signal } from "@preact/signals";
import { measureOf, type Measure } from "../parts/run-record.ts";
import { ask, served } from "./served.ts";
import { allRuns, chosen, type ListedRun } from "./watch.ts";

/** A run of a sweep that is done. */
export interface SweepRun {
  readonly id: string;
  readonly name: string;
  /** The multiply-accumulates that are left, as a share. */
  readonly macs: number;
  readonly before: Measure | undefined;
  readonly after: Measure;
  /** Whether it is one of those that no other beats. */
  readonly inFront: boolean;
}

/** What the server tells of a sweep. */
interface ToldSweep {
  readonly rows: readonly {
    readonly id: string;
    readonly run: string;
    readonly macsShare: number;
    readonly before?: ToldMeasure;
    readonly after?: ToldMeasure;
  }[];
  /** Names of runs. */
  readonly front: readonly string[];
}
type ToldMeasure = { readonly name: string; readonly value: number };

/** By the ids of sweeps. */
export const sweepRuns = signal<ReadonlyMap<string, readonly SweepRun[]>>(new Map());
/** How many runs were done as a sweep was asked for last. */
const known = new Map<string, number>();

/** The sweeps of which some run is drawn. */
export const chosenSweeps = (): ListedRun[] =>
  allRuns().filter(({ runs = [] }) => runs.some((id) => chosen.value.has(id)));

/** Follows the sweeps that are drawn. Returns what ends that. */
export const watchSweeps = (): (() => void) =>
  effect(() => {
    if (!served.value) return;
    for (const { id, figures } of chosenSweeps())
      if (known.get(id) !== figures?.done) void look(id, figures?.done ?? 0);
  });

async function look(id: string, done: number): Promise<void> {
  known.set(id, done);
  try {
    const { rows, front } = (await (await ask(`runs/${id}`)).json()) as ToldSweep;
    const runs = rows.flatMap(({ id: own, run, macsShare, before, after }): SweepRun[] => {
      const judged = after && measured(after);
      if (!judged) return [];
      const was = before && measured(before);
      return [{ id: own, name: run, macs: macsShare, before: was, after: judged, inFront: front.includes(run) }];
    });
    sweepRuns.value = new Map([...sweepRuns.value, [id, runs]]);
  } catch {
    // The list of runs says that the server is lost; it is asked again as the list comes.
    known.delete(id);
  }
}

const ofRecords = new Set(["top1", "agreement", "loss"]);
const measured = (told: ToldMeasure): Measure | undefined =>
  measureOf(ofRecords.has(told.name) ? { [told.name]: told.value } : { metric: told });
