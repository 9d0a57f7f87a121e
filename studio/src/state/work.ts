/** What goes on now, and what went wrong. */

import { signal } from "@preact/signals";
import { CallError } from "../client.ts";
import type { Progress } from "../worker/calls.ts";

export interface Work {
  readonly what: string;
  readonly progress: Progress;
  readonly started: number;
  readonly stop: () => void;
}

export const work = signal<Work | undefined>(undefined);
/** The last error, in words. */
export const failure = signal<string | undefined>(undefined);

/** Does one thing that takes a while: shows how far it is, lets it be stopped, and says what went wrong. */
export async function during<T>(
  what: string,
  task: (options: { readonly signal: AbortSignal; readonly onProgress: (progress: Progress) => void }) => Promise<T>,
): Promise<T | undefined> {
  const controller = new AbortController();
  work.value?.stop();
  const own: Work = { what, progress: { done: 0 }, started: Date.now(), stop: () => controller.abort() };
  work.value = own;
  failure.value = undefined;
  let now = own;
  try {
    return await task({
      signal: controller.signal,
      onProgress: (progress) => {
        if (work.value === now) work.value = now = { ...now, progress };
      },
    });
  } catch (error) {
    if (!(error instanceof CallError && error.code === "stopped"))
      failure.value = error instanceof Error ? error.message : String(error);
    return undefined;
  } finally {
    if (work.value === now) work.value = undefined;
  }
}
