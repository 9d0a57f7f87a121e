/** The worker: answers one call after another; a call can be stopped while it goes on. */

import { SecateurError } from "secateur";
import type { Calling, CallName, Calls, FromWorker, Progress, ToWorker } from "./calls.ts";
import { compareModels } from "./compare.ts";
import { cutModel, previewOf, timeModels } from "./cut.ts";
import { openData } from "./data.ts";
import { learnModel } from "./learn.ts";
import { layoutOf } from "./layout.ts";
import { openModel } from "./models.ts";
import { machine } from "./runtime.ts";
import { scoreModel } from "./score.ts";

type Handlers = {
  readonly [Name in CallName]: (
    args: Calls[Name]["args"],
    calling: Calling,
  ) => Promise<Calls[Name]["result"]> | Calls[Name]["result"];
};

const handlers: Handlers = {
  open: openModel,
  layout: layoutOf,
  data: openData,
  score: scoreModel,
  preview: previewOf,
  cut: cutModel,
  latency: timeModels,
  compare: compareModels,
  learn: learnModel,
  machine,
};

const running = new Map<number, AbortController>();
const post = (message: FromWorker, transfer: Transferable[] = []): void => self.postMessage(message, { transfer });

self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if ("abort" in data) running.get(data.id)?.abort();
  else void answer(data.id, data.name, data.args as never);
});

async function answer<Name extends CallName>(id: number, name: Name, args: Calls[Name]["args"]): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const progress = (progress: Progress): void => post({ id, progress });
    const result = await handlers[name](args, { signal: controller.signal, progress });
    post({ id, result }, transferables(result));
  } catch (error) {
    post({ id, error: described(error, controller.signal.aborted) });
  } finally {
    running.delete(id);
  }
}

/** Models are handed over, and not copied. */
const transferables = (result: unknown): Transferable[] =>
  typeof result === "object" && result !== null && "model" in result && result.model instanceof ArrayBuffer
    ? [result.model]
    : [];

function described(error: unknown, isStopped: boolean): { message: string; code: string } {
  if (isStopped) return { message: "stopped", code: "stopped" };
  if (error instanceof SecateurError) return { message: error.message, code: error.code };
  if (error instanceof RangeError) return { message: `not enough memory: ${error.message}`, code: "internal" };
  return { message: error instanceof Error ? error.message : String(error), code: "internal" };
}
