/** Checkpoints of jobs: where they go, where they come from, and when they are due. */

import { z } from "zod";
import { bytes, callback, having, type KindsOf } from "../options/kinds.ts";
import { checkpointEvery } from "../options/machine.ts";
import type { Store } from "./search.ts";

/** Where checkpoints go, and come from. */
export interface Checkpoints {
  /** The bytes of an earlier run's last checkpoint, to go on from. */
  readonly from?: { readonly name: string; readonly bytes: Uint8Array } | undefined;
  /** Seconds between two checkpoints while learning; default 30. Removals and epochs of a training end with one. */
  readonly every?: number | undefined;
  save(pieces: readonly Uint8Array[]): Promise<void>;
  /**
   * Keeps models on the way, which a search goes back to; default: in memory, so that a
   * search starts again when it is resumed.
   */
  readonly store?: Store | undefined;
  /** Is given what was to be found again, before the work goes on. */
  resumed?(note: Readonly<Record<string, unknown>>): void;
  /** What is to be found in the checkpoint again. */
  note?(): Readonly<Record<string, unknown>>;
}

/** What a function takes that leaves checkpoints. */
export const checkpoints: z.ZodType<Checkpoints, Checkpoints> = z.strictObject({
  from: z.strictObject({ name: z.string(), bytes }).optional(),
  every: checkpointEvery.optional(),
  save: callback<Checkpoints["save"]>(),
  store: having<Store>("a store: { keep(), kept() }", "keep", "kept").optional(),
  resumed: callback<NonNullable<Checkpoints["resumed"]>>().optional(),
  note: callback<NonNullable<Checkpoints["note"]>>().optional(),
} satisfies KindsOf<Checkpoints>);

/** Tells whether so many seconds have passed since it last said so. */
export function createTimer(seconds: number): () => boolean {
  let last = performance.now();
  return () => {
    const now = performance.now();
    if (now - last < seconds * 1000) return false;
    last = now;
    return true;
  };
}
