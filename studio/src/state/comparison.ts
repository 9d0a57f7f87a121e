/** A second model beside the one that is open. */

import { signal } from "@preact/signals";
import { call } from "../client.ts";
import type { CompareView, GivenFile, NetworkView } from "../worker/calls.ts";
import { whenOpened } from "./network.ts";
import { result } from "./pruning.ts";
import { during } from "./work.ts";

export const other = signal<NetworkView | undefined>(undefined);
export const comparison = signal<CompareView | undefined>(undefined);

whenOpened(() => {
  other.value = comparison.value = undefined;
});

export const openOther = (files: readonly GivenFile[]): Promise<void> =>
  during("comparing", async (options) => {
    other.value = await call("open", { slot: "other", files }, options);
    comparison.value = await call("compare", {}, options);
  });

/** Compares with what was cut last. */
export const compareCut = async (): Promise<void> => {
  const made = result.value;
  if (made) await openOther([{ path: "the small model.onnx", blob: new Blob([made.model]) }]);
};
