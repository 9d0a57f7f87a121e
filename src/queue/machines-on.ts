/** Machines that learn wherever an executor has tasks done: one slice of an interval is one task. */

import { taskOf, keyOf, type Executor, type Task, type TaskEvent } from "../distribute/task.ts";
import { sha256 } from "../distribute/digest.ts";
import { LostBlobs, type Store } from "../distribute/store.ts";
import { SecateurError } from "../graph/error.ts";
import type { MachineOptions } from "../runtime/port.ts";
import { decodeAnswer, restOf } from "../train/interval-bytes.ts";
import type { IntervalAnswer, IntervalTask, Machines } from "../train/spread.ts";
import { mostTries } from "./answer.ts";
import { partsOf, type IntervalOptions, type Part } from "./tasks/interval.ts";
import { named, piecesOf, wholeOf } from "./tasks/pieces.ts";

export interface MachinesOnOptions extends Pick<MachineOptions, "device" | "signal"> {
  /** Slices of each interval. Workers take what comes, however many they are. */
  readonly count: number;
  /** Bytes that a worker is to stay below while it learns. */
  readonly memory?: number | undefined;
  /** Is told what happens to slices; `done` and `all` are those of the interval. */
  readonly onEvent?: ((event: TaskEvent) => void) | undefined;
  /** Is told how many workers there are, when they become more or fewer while something is to be learned. */
  readonly onWorkers?: ((count: number) => void) | undefined;
  /** Is told once why blobs of intervals that are over stay where they are. */
  readonly onLeft?: ((why: string) => void) | undefined;
}

/** Milliseconds between two looks at who is there. */
const lookEvery = 2000;

/** What the store has of an interval, or of the whole run. */
interface Stored {
  /** By what they are made of, the digests of their pieces. */
  readonly parts: Map<object, Promise<readonly string[]>>;
  /** Of all that was put there. */
  readonly digests: Set<string>;
  /** Results that are kept. */
  readonly keys: Set<string>;
}

const nothing = (): Stored => ({ parts: new Map(), digests: new Set(), keys: new Set() });

/** Puts a part into the store, where it is not; its digests. */
function putOnce(store: Store, part: Part, { parts, digests }: Stored): Promise<readonly string[]> {
  const known = parts.get(part.of);
  if (known) return known;
  const putting = (async () => {
    const own: string[] = [];
    for (const piece of piecesOf(part.encode())) own.push(await store.put(piece));
    for (const one of own) digests.add(one);
    return own;
  })();
  parts.set(part.of, putting);
  return putting;
}

/** Removes all that was stored but some blobs; the first failure, after everything was tried. */
async function removeFrom(
  store: Store,
  { digests, keys }: Stored,
  but: ReadonlySet<string>,
): Promise<Error | undefined> {
  const going = [...digests].filter((one) => !but.has(one)).map((one) => store.remove(one));
  const ended = await Promise.allSettled([...going, ...[...keys].map((key) => store.forget(key))]);
  return ended.find((one) => one.status === "rejected")?.reason as Error | undefined;
}

/**
 * Machines behind an executor. What comes of an interval follows from its slices, and not from who learned them. A
 * slice whose worker ends is taken over; one that the executor gives up counts as a machine that is lost.
 *
 * What an interval needs lies in the store until all of its slices are back, and what the whole run needs until these
 * machines are disposed of.
 */
export function machinesOn(executor: Executor, options: MachinesOnOptions): Machines & AsyncDisposable {
  const { store } = executor;
  const { count, signal } = options;
  const ofRun = nothing();
  let ofInterval = nothing();
  let [open, done, all] = [0, 0, 0];
  const watch = watchWorkers(executor, options);

  const put = (part: Part): Promise<readonly string[]> => putOnce(store, part, isOfRun(part) ? ofRun : ofInterval);
  const remove = async (stored: Stored, but: ReadonlySet<string>): Promise<void> => {
    const failed = await removeFrom(store, stored, but);
    if (failed) options.onLeft?.(failed.message);
  };
  const learn = async (given: IntervalTask): Promise<IntervalAnswer> => {
    const { keys, digests } = ofInterval;
    const { task, repair, fault } = await handedOver(given, put, executor, options);
    keys.add(await keyOf(task));
    let isDone = false;
    const onEvent = (event: TaskEvent): void => {
      if ((event.kind === "known" || event.kind === "done") && !isDone) {
        isDone = true;
        done++;
      }
      options.onEvent?.({ ...event, done, all });
    };
    const once = async (): Promise<IntervalAnswer> => {
      const [made] = await executor.run(only(task), 1, repair, { signal, onEvent });
      const answered = made!.blobs;
      for (const one of Object.values(answered)) digests.add(one);
      return decodeAnswer(await wholeOf("answer", { digests: answered, blob: (name) => store.get(answered[name]!) }));
    };
    try {
      for (let tries = 1; ; tries++) {
        try {
          return await once();
        } catch (error) {
          // What came of it was there, and is not any more: it is made anew.
          if (!(error instanceof LostBlobs) || tries === mostTries) throw error;
        }
      }
    } catch (error) {
      // It was tried too often: this slice is lost, and no other.
      if (error instanceof SecateurError && error.code === "io" && fault() === undefined)
        throw new Error(error.message, { cause: error });
      throw error;
    }
  };
  return {
    count,
    async run(task) {
      if (open === 0) [done, all, ofInterval] = [0, 0, nothing()];
      open++;
      all++;
      watch.begin();
      try {
        return await learn(task);
      } finally {
        open--;
        if (open === 0) {
          watch.end();
          await remove(ofInterval, ofRun.digests);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      watch.end();
      await remove(ofRun, new Set());
    },
  };
}

/** What all intervals have in common. */
const isOfRun = ({ name }: Part): boolean => name === "teacher" || name.startsWith("loss-");

/** A slice as a task whose blobs are in the store, what puts them there anew, and what kept it from that. */
async function handedOver(
  given: IntervalTask,
  put: (part: Part) => Promise<readonly string[]>,
  { store }: Executor,
  { device = "cpu", memory }: MachinesOnOptions,
) {
  const parts = partsOf(given);
  const blobs: Record<string, string> = {};
  for (const part of parts) Object.assign(blobs, named(part.name, await put(part)));
  const rest = restOf(given) as Omit<IntervalOptions, "device" | "memory">;
  const task = taskOf("interval", { ...rest, device, ...(memory !== undefined && { memory }) }, blobs);
  let fault: unknown;
  const repair = async (digests: readonly string[]): Promise<void> => {
    const lost = new Set(digests);
    try {
      for (const part of parts) {
        if (!(await put(part)).some((one) => lost.has(one))) continue;
        for (const piece of piecesOf(part.encode()))
          if (lost.has(await sha256(piece))) await store.put(piece, { anew: true });
      }
    } catch (error) {
      fault = error;
      throw error;
    }
  };
  return { task, repair, fault: () => fault };
}

async function* only(task: Task): AsyncGenerator<Task> {
  yield await Promise.resolve(task);
}

/** Looks now and then how many workers there are. */
function watchWorkers(executor: Executor, { onWorkers }: MachinesOnOptions) {
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;
  let last: number | undefined;
  const look = async (): Promise<void> => {
    // A server that is away answers once it is back.
    if (isLooking) return;
    isLooking = true;
    try {
      const now = await executor.workers!();
      if (timer !== undefined && now !== last) onWorkers!((last = now));
    } catch {
      // Who is there is told where it can be known, and decides nothing.
    } finally {
      isLooking = false;
    }
  };
  return {
    begin(): void {
      if (!executor.workers || !onWorkers || timer !== undefined) return;
      timer = setInterval(() => void look(), lookEvery);
      timer.unref();
      void look();
    },
    end(): void {
      clearInterval(timer);
      timer = undefined;
    },
  };
}
