/** Pruning with learning in the page. */

import { signal } from "@preact/signals";
import { call } from "../client.ts";
import type { LearnPoint, LearnView } from "../worker/calls.ts";
import { whenOpened } from "./network.ts";
import { choice, criterion, device } from "./pruning.ts";
import { during } from "./work.ts";

export const epochs = signal(3);
export const batchSize = signal(32);
export const points = signal<readonly LearnPoint[]>([]);
export const learned = signal<LearnView | undefined>(undefined);

whenOpened(() => {
  learned.value = undefined;
  points.value = [];
});

/** Prunes to what the slider says, and learns on the way. */
export const learn = (): Promise<void> =>
  during("pruning with learning", async (options) => {
    points.value = [];
    learned.value = undefined;
    const { kind, share } = choice.value;
    const request = {
      kind: kind === "bytes" ? ("params" as const) : kind,
      share,
      criterion: criterion.value,
      epochs: epochs.value,
      batchSize: batchSize.value,
      device: device.value,
    };
    learned.value = await call("learn", request, {
      ...options,
      onProgress: (progress) => {
        if (progress.point) points.value = [...points.value, progress.point];
        options.onProgress(progress);
      },
    });
  });
