/** The page's end of the line to its worker, which does all that takes long. */

import type { CallName, Calls, FromWorker, Progress, ToWorker } from "./worker/calls.ts";

/** What went wrong, in words for whoever looks at the page; `code` is that of SecateurError, or "stopped". */
export class CallError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = "CallError";
    this.code = code;
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: CallOptions["onProgress"];
}

let worker: Worker | undefined;
let last = 0;
const waiting = new Map<number, Waiting>();

function start(): Worker {
  const made = new Worker(new URL("./worker/worker.ts", import.meta.url), { type: "module", name: "secateur" });
  made.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    const one = waiting.get(data.id);
    if (one === undefined) return;
    if ("progress" in data) {
      one.onProgress?.(data.progress);
      return;
    }
    waiting.delete(data.id);
    if ("error" in data) one.reject(new CallError(data.error.message, data.error.code));
    else one.resolve(data.result as never);
  });
  made.addEventListener("error", ({ message }) => {
    for (const { reject } of waiting.values())
      reject(new CallError(`the part that computes has ended: ${message || "it ran out of memory?"}`, "internal"));
    waiting.clear();
    worker = undefined;
  });
  return made;
}

/**
 * Asks the worker.
 *
 * @throws CallError with a message for people
 */
export function call<Name extends CallName>(
  name: Name,
  args: Calls[Name]["args"],
  { signal, onProgress }: CallOptions = {},
): Promise<Calls[Name]["result"]> {
  worker ??= start();
  const to = worker;
  const id = ++last;
  const send = (message: ToWorker): void => to.postMessage(message);
  return new Promise<Calls[Name]["result"]>((resolve, reject) => {
    waiting.set(id, { resolve, reject, onProgress });
    signal?.addEventListener("abort", () => send({ id, abort: true }), { once: true });
    send({ id, name, args });
  });
}
