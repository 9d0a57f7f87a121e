/** Batches from a JavaScript module of the user's own. */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fail, SecateurError } from "../graph/error.ts";
import type { Batch, CheckedOptions, Dataset } from "./batches.ts";
import { checkOptions } from "./batches.ts";
import { readBatch } from "./batch-like.ts";
import type { SplitName } from "./splits.ts";

type Batches = AsyncIterable<unknown> | Iterable<unknown>;
type BatchIterator = AsyncIterator<unknown> | Iterator<unknown>;

/** What a module's default function is called with, once for every epoch. */
export interface ModuleRequest {
  readonly split: SplitName;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly epoch: number;
}

/**
 * The default export of a module as a data set: an (async) iterable of batches, or a function of a
 * {@link ModuleRequest} that returns or promises one. Batch size, order and augmentation are the
 * module's own affair; `limit` and `dropLast` (a batch smaller than the first is left out) are kept
 * here, and `augment`, `from` and `to` are refused. Every batch is checked.
 */
export async function moduleDataset(file: string, split: SplitName): Promise<Dataset> {
  const source = await importDefault(file);
  checkSource(file, source);
  const used = new WeakSet<object>();
  return {
    name: `module ${file} ${split}`,
    batches(given) {
      const options = checkOptions(file, given);
      const refused = (["augment", "from", "to"] as const).filter((key) => given[key] !== undefined);
      if (refused.length > 0)
        fail(
          "bad-option",
          `${file}: ${refused.join(", ")} cannot be applied to the batches of a module; do it in the module`,
        );
      return readAll(file, () => open(file, source, split, options, used), options);
    },
  };
}

/**
 * The default export of a module of the user's.
 *
 * @throws SecateurError `io` where it cannot be loaded
 */
export async function importDefault(file: string): Promise<unknown> {
  try {
    return ((await import(pathToFileURL(resolve(file)).href)) as { readonly default?: unknown }).default;
  } catch (error) {
    return fail("io", `cannot load ${file}: ${messageOf(error)}`, error);
  }
}

function checkSource(file: string, source: unknown): void {
  if (typeof source !== "function" && !isIterable(source))
    fail(
      "bad-data",
      source === undefined
        ? `${file} has no default export; export an async iterable of batches, or a function that returns one`
        : `${file}: the default export is neither an iterable of batches nor a function that returns one`,
    );
}

/** An iterator for one epoch. An iterable that hands out itself can be run through only once. */
async function open(
  file: string,
  source: unknown,
  split: SplitName,
  { batchSize, shuffle = false, seed, epoch }: CheckedOptions,
  used: WeakSet<object>,
): Promise<BatchIterator> {
  const request: ModuleRequest = { split, batchSize, shuffle, seed, epoch };
  const batches: unknown = typeof source === "function" ? await guard(file, () => source(request)) : source;
  if (!isIterable(batches))
    fail("bad-data", `${file}: the default function returned no iterable of batches for the ${split} split`);
  if (used.has(batches))
    fail(
      "bad-data",
      `${file}: its batches were asked for a second time, but they can be iterated only once; ` +
        "export a function that starts anew on every call (export default async function* ({ split, epoch }) { ... })",
    );
  const iterator = await guard(file, () => iterate(batches));
  if ((iterator as unknown) === batches) used.add(batches);
  return iterator;
}

async function* readAll(
  file: string,
  start: () => Promise<BatchIterator>,
  options: CheckedOptions,
): AsyncGenerator<Batch> {
  const { limit = Infinity, dropLast = false } = options;
  const iterator = await start();
  let first = 0;
  let finished = false;
  try {
    for (let index = 0, given = 0; given < limit; index++) {
      const where = `${file}: batch ${index}`;
      const { done, value } = await guard(where, async () => iterator.next());
      finished = done === true;
      if (finished) {
        if (index === 0) fail("bad-data", `${file}: no batches`);
        return;
      }
      const batch = readBatch(value, where);
      first ||= batch.size;
      if (dropLast && batch.size < first) continue;
      given++;
      yield batch;
    }
  } finally {
    if (!finished) await iterator.return?.();
  }
}

/** Runs the module's own code; what it throws is told with the place it was thrown at. */
async function guard<T>(where: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof SecateurError) throw error;
    return fail("bad-data", `${where}: the module threw "${messageOf(error)}"`, error);
  }
}

function iterate(batches: Batches): BatchIterator {
  return Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]();
}

function isIterable(value: unknown): value is Batches {
  return typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ");
}
