/** Checkpoints of a pruning that is a task, with all that it has told, and the models that its search goes back to. */

import { joinBytes } from "../../graph/join-bytes.ts";
import type { Kept } from "../../distribute/task-checkpoint.ts";
import type { Tools } from "../../distribute/task.ts";
import type { Checkpoints } from "../../jobs/checkpoints.ts";
import { named, piecesOf, wholeOf } from "./pieces.ts";

/** How many times as long as a checkpoint took to keep nothing more is kept: a store may be far away. */
const rest = 9;

/** The models of a search stand under this. */
const modelName = (name: string): string => `model-${name}`;

/**
 * Goes on from the checkpoint of an earlier try, where there is one.
 *
 * @returns the lines that were told up to there, which those that follow are to be added to, and where checkpoints go
 */
export async function checkpointsOf({
  checkpoint: { digests, blob, keep },
}: Pick<Tools, "checkpoint">): Promise<{ readonly told: string[]; readonly checkpoints: Checkpoints }> {
  const whole = (name: string): Promise<Uint8Array> => wholeOf(name, { digests, blob });
  const names = Object.keys(digests);
  const told: string[] = [];
  let parts = names.filter((name) => name.startsWith("events/")).length;
  for (let i = 0; i < parts; i++) told.push(...new TextDecoder().decode(await blob(`events/${i}`)).split("\n"));
  /** What was kept once and stays as it is. */
  const staying = new Set(names.filter((name) => !name.startsWith("checkpoint/")));
  const models = new Map<string, Uint8Array>();
  const fresh = new Set<string>();
  let [keptLines, next] = [told.length, 0];

  return {
    told,
    checkpoints: {
      from: names.includes("checkpoint/0") ? { name: "its checkpoint", bytes: await whole("checkpoint") } : undefined,
      async save(pieces) {
        const began = performance.now();
        if (began < next) return;
        const lines = told.slice(keptLines).join("\n");
        const isNew = told.length > keptLines;
        keptLines = told.length;
        const added: Record<string, Uint8Array> = {
          ...(isNew && { [`events/${parts++}`]: new TextEncoder().encode(lines) }),
        };
        for (const name of fresh) {
          for (const old of staying) if (old.startsWith(`${modelName(name)}/`)) staying.delete(old);
          Object.assign(added, named(modelName(name), piecesOf(models.get(name)!)));
        }
        fresh.clear();
        const kept: Kept = {
          ...Object.fromEntries([...staying].map((name) => [name, true])),
          ...named("checkpoint", piecesOf(joinBytes(pieces))),
          ...added,
        };
        for (const name of Object.keys(added)) staying.add(name);
        await keep(kept);
        const now = performance.now();
        next = now + rest * (now - began);
      },
      store: {
        async keep(name, pieces) {
          models.set(name, joinBytes(pieces));
          fresh.add(name);
        },
        async kept(name) {
          const found = models.get(name) ?? (names.includes(`${modelName(name)}/0`) && (await whole(modelName(name))));
          return found || undefined;
        },
      },
    },
  };
}
