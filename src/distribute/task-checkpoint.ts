/** Checkpoints of tasks: what is kept of one that is not done, so that whoever takes it over goes on from there. */

import { z } from "zod";
import { sha256 } from "./digest.ts";
import type { Store } from "./store.ts";
import { blobs, canonical, type Task } from "./task.ts";

const form = z.strictObject({ blobs });

/** What a checkpoint is to hold from now on: bytes that are new, and `true` for a blob that stays. */
export type Kept = Readonly<Record<string, Uint8Array | true>>;

export interface TaskCheckpoint {
  /** The digests of its blobs by their names; none where there is no checkpoint. */
  readonly blobs: Task["blobs"];
  /** Takes the place of what was kept before: its blobs first, so that a checkpoint that is there is whole. */
  keep(kept: Kept): Promise<void>;
  /** Lets what an earlier try kept alone, as it is damaged. */
  forsake(): void;
  /** Removes it, but for blobs that something else needs. */
  remove(needed: readonly string[]): Promise<void>;
}

/** The checkpoint of a task of this key. Two that do the task at once may both write it: either is as good. */
export async function openCheckpoint(store: Store, key: string): Promise<TaskCheckpoint> {
  const own = await sha256(`checkpoint ${key}`);
  const text = await store.kept(own);
  let known: Task["blobs"] = (text === undefined ? undefined : form.safeParse(JSON.parse(text)).data?.blobs) ?? {};
  const removeAllBut = async (before: Task["blobs"], needed: readonly string[]): Promise<void> => {
    const going = new Set(Object.values(before));
    for (const one of needed) going.delete(one);
    await Promise.all([...going].map((one) => store.remove(one)));
  };
  return {
    get blobs() {
      return known;
    },
    async keep(kept) {
      const now: Record<string, string> = {};
      for (const [name, bytes] of Object.entries(kept)) {
        const digest = bytes === true ? known[name] : await store.put(bytes);
        if (digest !== undefined) now[name] = digest;
      }
      await store.keep(own, canonical({ blobs: now }), { anew: true });
      const before = known;
      known = now;
      await removeAllBut(before, Object.values(now));
    },
    forsake() {
      known = {};
    },
    async remove(needed) {
      if (Object.keys(known).length === 0) return;
      await store.forget(own);
      await removeAllBut(known, needed);
      known = {};
    },
  };
}
