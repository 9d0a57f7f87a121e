/** A machine that works: it takes tasks from a queue and does them, until it is told to stop. */

import { hostname } from "node:os";
import type { Job as QueueJob, Worker } from "bullmq";
import { SecateurError } from "../graph/error.ts";
import { job as jobForm, prefix, queueName, type Answer, type Job } from "./answer.ts";
import type { Connection } from "./connection-node.ts";
import type { Hands, Taken } from "./hands-node.ts";

/** What a worker tells of its work. */
export type ServeEvent =
  | { readonly kind: "taken"; readonly label: string; readonly attempt: number }
  | { readonly kind: "progress"; readonly label: string; readonly done: number; readonly all: number }
  | { readonly kind: "done"; readonly label: string; readonly seconds: number }
  | { readonly kind: "checkpoint"; readonly label: string; readonly text: string }
  | { readonly kind: "lacking"; readonly label: string; readonly blobs: number }
  | { readonly kind: "refused" | "failed" | "handed back"; readonly label: string; readonly why: string }
  | { readonly kind: "lost"; readonly id: string };

export interface ServeOptions {
  /** Seconds without a sign of life after which others take a job over. */
  readonly lock: number;
  readonly onEvent?: ((event: ServeEvent) => void) | undefined;
  /** Takes no more jobs, and ends once those in hand are done. */
  readonly finish: AbortSignal;
  /** Hands back the jobs in hand, and ends. */
  readonly leave: AbortSignal;
}

/** A job of more bytes is none. */
const mostLetters = 2 ** 24;
/** How often a job may lose its worker before it is taken for what ends workers. */
const mostLost = 5;

/** The name of this worker, for people. */
export const workerName = (): string => `${hostname()}:${process.pid}`;

/** Takes jobs and does them. */
export async function serve(connection: Connection, hands: Hands, options: ServeOptions): Promise<void> {
  const { finish, leave, lock } = options;
  const { Worker } = connection.bullmq;
  const worker: Worker<Job, Answer> = new Worker<Job, Answer>(
    queueName,
    (job, token) => work(connection, hands, options, job, token),
    {
      connection: connection.client() as never,
      prefix,
      name: workerName(),
      concurrency: hands.atOnce,
      lockDuration: lock * 1000,
      stalledInterval: lock * 1000,
      maxStalledCount: mostLost,
    },
  );
  // It connects again by itself, which the connection tells.
  worker.on("error", () => undefined);
  worker.on("stalled", (id) => options.onEvent?.({ kind: "lost", id }));
  const ends = AbortSignal.any([finish, leave]);
  if (!ends.aborted) await new Promise((resolve) => ends.addEventListener("abort", resolve, { once: true }));
  const closed = worker.close();
  const left = new Promise<void>((resolve) => {
    // A server that is away takes nothing back: others take over what was in hand.
    const away = (): void => void setTimeout(resolve, 5000).unref();
    if (leave.aborted) away();
    else leave.addEventListener("abort", away, { once: true });
  });
  await Promise.race([closed, left]);
}

async function work(
  { bullmq }: Connection,
  hands: Hands,
  { leave, onEvent }: ServeOptions,
  given: QueueJob<Job, Answer>,
  token: string | undefined,
): Promise<Answer> {
  let label = "a job";
  const attempt = given.attemptsMade + given.stalledCounter + 1;
  const worker = workerName();
  const refused = (code: string, why: string): Answer => {
    onEvent?.({ kind: "refused", label, why });
    return { state: "refused", code, message: why.slice(0, 10_000), worker };
  };
  if (JSON.stringify(given.data).length > mostLetters) return refused("bad-data", "refused a job: it is too large");
  const { data, error } = jobForm.safeParse(given.data);
  if (!data) return refused("bad-data", `refused a job: it has no form of one: ${error.issues[0]?.message}`);
  let told = 0;
  let taken: Taken;
  try {
    taken = await hands.take(data.task, {
      anew: data.anew,
      signal: leave,
      onLabel(text) {
        label = text;
        onEvent?.({ kind: "taken", label, attempt });
      },
      onCheckpoint: (text) => onEvent?.({ kind: "checkpoint", label, text }),
      onProgress(done, all) {
        onEvent?.({ kind: "progress", label, done, all });
        const now = performance.now();
        if (now - told < 1000) return;
        told = now;
        given.updateProgress({ done, all }).catch(() => undefined);
      },
    });
  } catch (failure) {
    const why = failure instanceof SecateurError ? failure.message : String(failure);
    if (leave.aborted) {
      onEvent?.({ kind: "handed back", label, why: "this worker leaves" });
      await given.moveToWait(token);
      throw new bullmq.WaitingError();
    }
    onEvent?.({ kind: "failed", label, why });
    throw new Error(why.slice(0, 10_000), { cause: failure });
  }
  if (taken.state === "refused") return refused(taken.refusal.code, taken.refusal.message);
  if (taken.state === "lost") {
    onEvent?.({ kind: "lacking", label, blobs: taken.digests.length });
    return { state: "lost", digests: [...taken.digests], worker };
  }
  onEvent?.({ kind: "done", label, seconds: taken.seconds });
  return { state: "done", seconds: taken.seconds, worker };
}
