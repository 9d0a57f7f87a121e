/** Tasks on many machines: they are handed out through BullMQ, and what comes of them is read from the store. */

import type { Queue, QueueEvents } from "bullmq";
import type { CachedStore } from "../distribute/cached-store-node.ts";
import { checkTask, keyOf, type Executor, type Made, type Task, type TaskEvent } from "../distribute/task.ts";
import { fail, type ErrorCode } from "../graph/error.ts";
import { answer as answerForm, mostTries, prefix, queueName, type Answer, type Job } from "./answer.ts";
import type { Connection } from "./connection-node.ts";
import { taskKinds } from "./tasks/table.ts";
import { wholeBefore } from "./threads-node.ts";

/** Milliseconds after which the server is asked about what is not done, whatever events there were. */
const pollEvery = 2000;

/** A task that is not done. */
interface Open {
  readonly at: number;
  readonly task: Task;
  readonly key: string;
  readonly label: string;
  /** How often it was handed out. */
  tries: number;
  /** Whether the server did not know it when it was last asked. */
  isMissing: boolean;
  /** Whether it is waiting again; a server says so before it says that a worker gave no sign of life. */
  isBack: boolean;
  /** Who works on it, where that is known. */
  worker?: string | undefined;
}

/** A try of a task has a name of its own, so that what is left of an earlier one is not in its way. */
const idOf = ({ key, tries }: Open): string => `${key}-${tries}`;

/**
 * An executor that hands tasks out, and waits until all are done.
 *
 * The store tells what is done, and the server what is on its way. So a server that forgets everything costs what was
 * on its way, and who hands the same work out again goes on with what is done.
 *
 * There is no flow of BullMQ, whose parent would take the sum. A parent begins once its children are over, whether
 * their parts are in the store or not: one that answers that blobs are lost counts as done, and so does one that failed
 * and was removed. It takes no child that is made after the first have ended, as those of this executor are. So whoever
 * hands out would watch each child as it does now, and the parent besides.
 */
export function queueExecutor(store: CachedStore, connection: Connection): Executor {
  const { Queue, QueueEvents } = connection.bullmq;
  const queue: Queue<Job, Answer> = new Queue(queueName, { connection: connection.client() as never, prefix });
  const events = new QueueEvents(queueName, { connection: connection.client() as never, prefix });
  // Each run listens, and there are as many as somebody wants to hand out side by side.
  events.setMaxListeners(0);
  // Both go on by themselves when the server is back.
  queue.on("error", () => undefined);
  events.on("error", () => undefined);
  // Each run that is under way listens.
  events.setMaxListeners(0);
  return {
    store,
    workers: () => queue.getWorkersCount(),
    run: (tasks, all, repair, options = {}) => new Run({ store, queue, events, all, repair, options }).through(tasks),
    async [Symbol.asyncDispose]() {
      // What waits for a server that is away would wait for good.
      await Promise.race([
        Promise.allSettled([events.close(), queue.close()]),
        new Promise((resolve) => setTimeout(resolve, 1000).unref()),
      ]);
    },
  };
}

type Parts = Parameters<Executor["run"]>;
type Happened<K = TaskEvent> = K extends TaskEvent ? Omit<K, "label" | "done" | "all" | "worker"> : never;

/** What a run is made of. */
interface Given {
  readonly store: CachedStore;
  readonly queue: Queue<Job, Answer>;
  readonly events: QueueEvents;
  readonly all: number;
  readonly repair: Parts[2];
  readonly options: NonNullable<Parts[3]>;
}

/** One call of an executor. */
class Run {
  readonly #given: Given;
  readonly #open = new Map<string, Open>();
  readonly #found: Made[] = [];
  readonly #listeners: (() => void)[] = [];
  #done = 0;
  #error: { readonly thrown: unknown } | undefined;
  #wake: () => void = () => undefined;
  /** What events told is looked into one after the other. */
  #pending: Promise<void> = Promise.resolve();
  #isPolling = false;
  #polled = performance.now();
  #fell: () => void = () => undefined;
  readonly #failed = new Promise<void>((resolve) => (this.#fell = resolve));

  constructor(given: Given) {
    this.#given = given;
  }

  async through(tasks: AsyncIterable<Task>): Promise<readonly Made[]> {
    const { signal } = this.#given.options;
    signal?.throwIfAborted();
    const stop = (): void => this.#fail(signal!.reason);
    signal?.addEventListener("abort", stop);
    this.#listen();
    try {
      let at = 0;
      for await (const task of tasks) {
        await this.#unlessFailed(this.#begin(task, at++));
        if (this.#error) break;
      }
      while (this.#open.size > 0 && !this.#error) {
        await this.#rest();
        await this.#unlessFailed(this.#pending);
        if (this.#isPolling || performance.now() - this.#polled < pollEvery) continue;
        // A server that is away is not asked a second time: the first answer comes once it is back.
        this.#isPolling = true;
        void this.#poll()
          .catch((error: unknown) => this.#fail(error))
          .finally(() => {
            this.#isPolling = false;
            this.#polled = performance.now();
          });
      }
      if (this.#error) throw this.#error.thrown;
      return this.#found;
    } finally {
      signal?.removeEventListener("abort", stop);
      for (const remove of this.#listeners) remove();
      await this.#takeBack();
    }
  }

  /** Until something happens, or for a while. */
  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pollEvery);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Waits for something, or until the run has failed. */
  async #unlessFailed(work: Promise<void>): Promise<void> {
    await Promise.race([work.catch((error: unknown) => this.#fail(error)), this.#failed]);
  }

  #fail(thrown: unknown): void {
    this.#error ??= { thrown };
    this.#fell();
    this.#wake();
  }

  #tell(open: Open, happened: Happened): void {
    const told = { label: open.label, worker: open.worker, done: this.#done, all: this.#given.all };
    this.#given.options.onEvent?.({ ...told, ...happened } as TaskEvent);
  }

  async #begin(task: Task, at: number): Promise<void> {
    const { label } = checkTask(task, taskKinds);
    const key = await keyOf(task);
    const open: Open = { at, task, key, label, tries: 0, isMissing: false, isBack: false };
    const before = await wholeBefore(this.#given.store, key);
    if (before) {
      this.#found[at] = before;
      this.#done++;
      this.#tell(open, { kind: "known" });
      return;
    }
    await this.#handOut(open, false);
  }

  /** @param anew whether a result that is there is no good */
  async #handOut(open: Open, anew: boolean): Promise<void> {
    this.#open.delete(idOf(open));
    open.tries++;
    open.isMissing = false;
    open.isBack = false;
    open.worker = undefined;
    this.#open.set(idOf(open), open);
    await this.#given.queue.add(
      open.label,
      { task: open.task, anew },
      {
        jobId: idOf(open),
        attempts: mostTries,
        backoff: { type: "exponential", delay: 500, jitter: 0.5 },
        // What came of it is in the store, and the server keeps nothing that an earlier try left.
        removeOnComplete: true,
        removeOnFail: true,
      },
    );
  }

  #listen(): void {
    const on = <E extends "active" | "completed" | "failed" | "stalled" | "delayed" | "waiting">(
      event: E,
      act: (open: Open, told: Readonly<Record<string, unknown>>) => void | Promise<void>,
    ): void => {
      const listener = (told: { readonly jobId: string }): void => {
        const open = this.#open.get(told.jobId);
        if (!open) return;
        this.#pending = this.#pending
          .then(() => (this.#open.get(told.jobId) === open ? act(open, told as never) : undefined))
          .catch((error: unknown) => this.#fail(error));
        this.#wake();
      };
      this.#given.events.on(event, listener as never);
      this.#listeners.push(() => this.#given.events.off(event, listener as never));
    };
    on("active", async (open) => {
      this.#tellBack(open);
      open.worker = await this.#workerOf(open);
      this.#tell(open, { kind: "taken" });
    });
    on("stalled", (open) => {
      open.isBack = false;
      this.#tell(open, { kind: "lost", why: "its worker gives no sign of life" });
    });
    on("waiting", (open, { prev }) => {
      open.isBack = prev === "active";
    });
    on("delayed", async (open) => {
      const job = await this.#given.queue.getJob(idOf(open));
      this.#tell(open, { kind: "retried", why: job?.failedReason ?? "it failed" });
    });
    on("completed", (open, { returnvalue }) => this.#answered(open, returnvalue));
    on("failed", (open, { failedReason }) =>
      fail("io", `${open.label} failed for good; the last time: ${String(failedReason)}`),
    );
  }

  /** Tells what a worker handed back by itself. */
  #tellBack(open: Open): void {
    if (open.isBack) this.#tell(open, { kind: "lost", why: "its worker handed it back" });
    open.isBack = false;
  }

  async #workerOf(open: Open): Promise<string | undefined> {
    return (await this.#given.queue.getJob(idOf(open)))?.processedBy;
  }

  async #answered(open: Open, given: unknown): Promise<void> {
    const { data } = answerForm.safeParse(typeof given === "string" ? parsed(given) : given);
    open.worker = data?.worker ?? open.worker;
    if (data?.state === "refused") fail(data.code as ErrorCode, data.message);
    if (data?.state === "lost") await this.#given.repair(data.digests);
    else if (await this.#isDone(open, data?.seconds)) return;
    const why = data?.state === "lost" ? `${data.digests.length} blobs were lost` : "its result is not in the store";
    if (open.tries >= mostTries) fail("io", `${open.label} was handed out ${open.tries} times, and ${why} each time`);
    this.#tell(open, { kind: "repaired", why });
    await this.#handOut(open, true);
  }

  /** Whether the store has all that comes of a task. */
  async #isDone(open: Open, seconds = 0): Promise<boolean> {
    const made = await wholeBefore(this.#given.store, open.key);
    if (!made) return false;
    this.#found[open.at] = made;
    this.#open.delete(idOf(open));
    this.#done++;
    this.#tell(open, { kind: "done", seconds });
    this.#wake();
    return true;
  }

  /** Looks for what no event told of: the server was away, or forgot. */
  async #poll(): Promise<void> {
    for (const open of Array.from(this.#open.values())) {
      this.#tellBack(open);
      if ((await this.#given.queue.getJobState(idOf(open))) !== "unknown") {
        open.isMissing = false;
        continue;
      }
      await this.#pending;
      if (this.#open.get(idOf(open)) !== open || (await this.#isDone(open))) continue;
      // Its answer may be on the way.
      if (open.isMissing) {
        this.#tell(open, { kind: "lost", why: "the server forgot it" });
        await this.#handOut(open, false);
      } else open.isMissing = true;
    }
  }

  /** Takes back what nobody has begun. */
  async #takeBack(): Promise<void> {
    if (this.#open.size === 0) return;
    const all = [...this.#open.values()].map((open) => this.#given.queue.remove(idOf(open)).catch(() => 0));
    await Promise.race([Promise.all(all), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
