/** The record of a run as it is written: every line so far, then each new one, until the run has ended. */

import { watch, type FSWatcher } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { crc32c } from "../graph/crc.ts";
import { files, holderOf, isEarly, isFinished } from "../report/run-files-node.ts";

/** Where a run is: it goes on in a process of this machine, has come to its end, or neither. */
export type RunState = "running" | "ended" | "stopped";

/** What is told of a record. */
export type Told =
  /** A line; the reader goes on behind it by its `id`. */
  | { readonly kind: "line"; readonly id: string; readonly text: string }
  /** The run began anew, or went back to a checkpoint: what was told before does not count. */
  | { readonly kind: "restart" }
  /** A line that is no JSON. */
  | { readonly kind: "damaged"; readonly id: string; readonly why: string }
  | { readonly kind: "state"; readonly state: RunState }
  | { readonly kind: "end" };

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Milliseconds between two looks where the file system tells of no changes. */
  readonly poll?: number;
}

/** Lines come in lots, so that a run that writes much costs little. */
const pause = 100;

/**
 * Follows a record.
 *
 * @param from the `id` of the last line that is known; without it from the first on
 * @returns what is told in lots. It ends with the run.
 */
export async function* follow(
  dir: string,
  from: string | undefined,
  { signal, poll = 1000 }: FollowOptions,
): AsyncGenerator<readonly Told[]> {
  using bell = new Bell(dir);
  let place = placeOf(from);
  if (from !== undefined && place === undefined) yield [{ kind: "restart" }];
  place ??= beginning;
  let told: RunState | undefined;
  while (!signal.aborted) {
    // Asked first: whatever was told before the run ended is read below.
    const state = await stateOf(dir);
    const file = await openEvents(dir);
    try {
      if (file && !(await isAt(file, place))) {
        place = beginning;
        yield [{ kind: "restart" }];
      }
      if (file)
        for await (const lot of linesFrom(file, place.end)) {
          place = lot.place;
          yield lot.told;
        }
    } finally {
      await file?.close();
    }
    if (state !== told) yield [{ kind: "state", state }];
    told = state;
    if (state === "ended") {
      yield [{ kind: "end" }];
      return;
    }
    await bell.next(poll, signal);
    await wait(pause, undefined, { signal }).catch(() => {});
  }
}

/** The record of a run that has no checkpoint yet has the same lines at the same places when it gets one. */
export async function openEvents(dir: string): Promise<FileHandle | undefined> {
  const path = join(dir, files.events);
  if (!(await isEarly(dir))) return open(path).catch(() => undefined);
  return open(join(dir, files.earlyEvents)).catch(() => open(path).catch(() => undefined));
}

export async function stateOf(dir: string): Promise<RunState> {
  if (await isEarly(dir)) return "running";
  if (await isFinished(dir)) return "ended";
  return (await holderOf(dir)) === undefined ? "stopped" : "running";
}

/** Behind a line: bytes up to its end, how many it has, and their checksum, by which it is known again. */
interface Place {
  readonly end: number;
  readonly length: number;
  readonly crc: number;
}

const beginning: Place = { end: 0, length: 0, crc: 0 };
const idOf = ({ end, length, crc }: Place): string => `${end}-${length}-${crc.toString(16)}`;

function placeOf(id = ""): Place | undefined {
  const [, end, length, crc] = /^(\d{1,15})-(\d{1,9})-([\da-f]{1,8})$/.exec(id) ?? [];
  if (crc === undefined || Number(length) > Number(end) || Number(length) > longest) return undefined;
  return { end: Number(end), length: Number(length), crc: Number.parseInt(crc, 16) };
}

/** Whether the line is still there that a place is behind. */
async function isAt(file: FileHandle, { end, length, crc }: Place): Promise<boolean> {
  if (end === 0) return true;
  const line = Buffer.alloc(length);
  const { bytesRead } = await file.read(line, 0, length, end - length);
  return bytesRead === length && crc32c(line) === crc;
}

/** Bytes of a line; a file without ends of lines is no record. */
const longest = 2 ** 24;
const newline = 10;

interface Lot {
  readonly told: readonly Told[];
  readonly place: Place;
}

/** The lines that are whole. One that is still being written is left for later. */
async function* linesFrom(file: FileHandle, at: number): AsyncGenerator<Lot> {
  const block = Buffer.allocUnsafe(2 ** 16);
  let rest = Buffer.alloc(0);
  while (rest.length <= longest) {
    const { bytesRead } = await file.read(block, 0, block.length, at + rest.length);
    if (bytesRead === 0) return;
    const bytes = Buffer.concat([rest, block.subarray(0, bytesRead)]);
    const told: Told[] = [];
    let [start, place] = [0, beginning];
    for (
      let end = bytes.indexOf(newline, rest.length);
      end >= 0;
      start = end + 1, end = bytes.indexOf(newline, start)
    ) {
      const line = bytes.subarray(start, end + 1);
      place = { end: at + end + 1, length: line.length, crc: crc32c(line) };
      told.push(lineOf(line.toString("utf8", 0, line.length - 1), idOf(place)));
    }
    at += start;
    rest = bytes.subarray(start);
    if (told.length > 0) yield { told, place };
  }
}

function lineOf(text: string, id: string): Told {
  try {
    JSON.parse(text);
    // An end of a line to who reads events; JSON has it between its parts only, where a space is the same.
    return { kind: "line", id, text: text.replaceAll("\r", " ") };
  } catch {
    return { kind: "damaged", id, why: `the line of ${files.events} that ends at byte ${id.split("-")[0]} is no JSON` };
  }
}

/** Rings when something changes in a folder, as far as the file system tells. */
class Bell implements Disposable {
  #watcher: FSWatcher | undefined;
  #rang = false;
  #wake: (() => void) | undefined;

  constructor(dir: string) {
    try {
      this.#watcher = watch(dir, { persistent: false }, () => this.#ring());
      // A folder that is gone, or more to watch than the system allows: time alone counts then.
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      this.#watcher = undefined;
    }
  }

  #ring(): void {
    this.#rang = true;
    this.#wake?.();
  }

  /** Waits for the next change, or as long. */
  async next(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (!this.#rang && !signal.aborted) {
      const timer = new AbortController();
      const rung = new Promise<void>((resolve) => (this.#wake = resolve));
      const either = AbortSignal.any([signal, timer.signal]);
      await Promise.race([rung, wait(milliseconds, undefined, { signal: either }).catch(() => {})]);
      timer.abort();
    }
    this.#rang = false;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}
