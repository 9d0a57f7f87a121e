/** Whoever takes a pruning over goes on from its last checkpoint, and comes to the same. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { openCheckpoint, type Kept } from "../../src/distribute/task-checkpoint.ts";
import type { Made } from "../../src/distribute/task.ts";
import { openHands, type Hands, type TakeOptions } from "../../src/queue/hands-node.ts";
import { PruningsOn } from "../../src/queue/prune-on.ts";
import { checkpointsOf } from "../../src/queue/tasks/run-checkpoint.ts";
import { laws } from "../support/laws.ts";
import { data, keyOf, model, storeOf, type Task } from "./support.ts";

vi.setConfig({ testTimeout: 300_000 });
const folder = mkdtempSync(join(tmpdir(), "secateur-checkpoint-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;
const newFolder = (): string => join(folder, String(++stores));
const hands = { atOnce: 1, threads: 1, patience: 60 } as const;
const filesIn = (at: string): string[] =>
  readdirSync(at, { recursive: true, encoding: "utf8" }).filter((path) => /[0-9a-f]{64}$/.test(path));

const every = 4;
/** The task of a pruning with many removals, its blobs in the store of a folder. */
async function taskIn(root: string): Promise<Task> {
  let task: Task | undefined;
  const spy = {
    store: storeOf(root),
    async run(tasks: AsyncIterable<Task>): Promise<never> {
      for await (const one of tasks) task = one;
      throw new Error("enough");
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const rates = { pruneLearningRate: 0.01, learningRate: 0.02 };
  const common = { data, batchSize: 4, seed: 7, labelsAreRight: true, budget: { macs: 0.4 }, unitsPerStep: 1 };
  const options = { ...common, ...rates, every, epochs: 1, mixup: 0.2 };
  await expect(new PruningsOn(spy).prune("one", model, options, {})).rejects.toThrow("enough");
  return task!;
}

const made = async (working: Hands, task: Task, options: TakeOptions = {}): Promise<Made> => {
  const taken = await working.take(task, options);
  if (taken.state !== "done") throw new Error(JSON.stringify(taken));
  return taken.made;
};

interface Line {
  readonly time: string;
  readonly event: { readonly kind: string; readonly [more: string]: unknown };
}
const eventsOf = async (root: string, { blobs }: Made): Promise<Line[]> =>
  new TextDecoder()
    .decode(await storeOf(root).get(blobs["events"]!))
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
/** Without times, and without what a run says that goes on. */
const settled = (lines: readonly Line[]) => {
  const at = lines.findIndex(({ event }) => event.kind === "resume");
  // It says anew what it begins with.
  const own = lines.filter((_, i) => at < 0 || i < at || i > at + 3);
  return own.map(({ event }) => event);
};

describe("a pruning that somebody takes over", () => {
  it("goes on from its last removal, tells all that happened, and leaves no checkpoint", laws, async () => {
    const [whole, broken] = [newFolder(), newFolder()];
    await using undisturbed = openHands(storeOf(whole, "one"), hands);
    const once = await made(undisturbed, await taskIn(whole));
    const task = await taskIn(broken);
    const stop = new AbortController();
    const checkpointThere = async () =>
      Object.keys((await openCheckpoint(storeOf(broken), await keyOf(task))).blobs).length > 0;
    await using one = openHands(storeOf(broken, "one"), hands);
    let steps = 0;
    const stopped = one.take(task, {
      signal: stop.signal,
      onCheckpoint: (text) => expect.fail(text),
      onProgress(done) {
        steps = done;
        if (done > 4 * every) void checkpointThere().then((isThere) => isThere && stop.abort());
      },
    });
    await expect(stopped).rejects.toThrow();
    expect(await checkpointThere()).toBe(true);
    const told: string[] = [];
    await using two = openHands(storeOf(broken, "two"), hands);
    let again = 0;
    const second = await made(two, task, {
      onCheckpoint: (text) => told.push(text),
      onProgress: () => again++,
    });
    expect(told).toEqual(["goes on from a checkpoint"]);
    const { events: _, outcome: __, ...models } = second.blobs;
    expect(models).toEqual(Object.fromEntries(Object.keys(models).map((name) => [name, once.blobs[name]])));
    const [all, lines] = [await eventsOf(whole, once), await eventsOf(broken, second)];
    expect(settled(lines)).toEqual(settled(all));
    const at = lines.findIndex(({ event }) => event.kind === "resume");
    expect(at).toBeGreaterThan(0);
    const before = lines.slice(0, at).filter(({ event }) => event.kind === "removal").length;
    expect(before).toBeGreaterThan(1);
    // Those removals were not done twice.
    expect(again).toBeLessThan(lines.length - 2 * before);
    expect(steps).toBeGreaterThan(0);
    // Of the checkpoints nothing is left: what lies there is the task's and the result's.
    const own = [...Object.values(task.blobs), ...Object.values(second.blobs)];
    const left = filesIn(join(broken, "store"));
    expect(new Set(left.filter((path) => path.startsWith("blobs")).map((path) => path.slice(-64)))).toEqual(
      new Set(own),
    );
    expect(left.filter((path) => path.startsWith("results"))).toHaveLength(1);
  });

  it("begins anew where a part of the checkpoint is lost", laws, async () => {
    const root = newFolder();
    const task = await taskIn(root);
    const store = storeOf(root);
    const checkpoint = await openCheckpoint(store, await keyOf(task));
    await checkpoint.keep({ "checkpoint/0": new Uint8Array(3), "events/0": new Uint8Array(4) });
    await store.remove(checkpoint.blobs["events/0"]!);
    await using working = openHands(storeOf(root, "one"), hands);
    const found = await made(working, task, { onCheckpoint: (text) => expect.fail(text) });
    expect((await eventsOf(root, found)).map(({ event }) => event.kind)).not.toContain("resume");
    expect(filesIn(join(root, "store")).filter((path) => path.startsWith("results"))).toHaveLength(1);
  });
});

describe("a checkpoint of a task", () => {
  it("replaces the one before it, and removes what nobody needs any more", async () => {
    const root = newFolder();
    const store = storeOf(root);
    const key = "a".repeat(64);
    const bytes = (text: string) => new TextEncoder().encode(text);
    const first = await openCheckpoint(store, key);
    expect(first.blobs).toEqual({});
    await first.keep({ a: bytes("1"), "b/0": bytes("2") });
    await first.keep({ a: bytes("3"), "b/0": true, c: true });
    const second = await openCheckpoint(store, key);
    expect(Object.keys(second.blobs).toSorted()).toEqual(["a", "b/0"]);
    expect(Buffer.from(await store.get(second.blobs["a"]!)).toString()).toBe("3");
    expect(Buffer.from(await store.get(second.blobs["b/0"]!)).toString()).toBe("2");
    expect(filesIn(join(root, "store"))).toHaveLength(3);
    expect((await openCheckpoint(store, "b".repeat(64))).blobs).toEqual({});
    await second.remove([second.blobs["a"]!]);
    expect(filesIn(join(root, "store"))).toHaveLength(1);
    expect((await openCheckpoint(store, key)).blobs).toEqual({});
  });

  it("of a pruning has what was told, and the models that its search goes back to", async () => {
    const kept = new Map<string, Uint8Array>();
    let last: Kept = {};
    const open = () =>
      checkpointsOf({
        checkpoint: {
          digests: Object.fromEntries([...kept.keys()].map((name) => [name, name])),
          blob: async (name) => kept.get(name)!,
          async keep(given) {
            last = given;
            for (const name of Array.from(kept.keys())) if (!(name in given)) kept.delete(name);
            for (const [name, one] of Object.entries(given)) if (one !== true) kept.set(name, one);
          },
        },
      });
    const first = await open();
    expect(first.checkpoints.from).toBeUndefined();
    first.told.push("one", "two");
    await first.checkpoints.store!.keep("0001", [Uint8Array.of(1), Uint8Array.of(2)]);
    // In two pieces, and later in one.
    await first.checkpoints.store!.keep("best", [new Uint8Array(2 ** 26 + 1)]);
    await first.checkpoints.save([Uint8Array.of(7), Uint8Array.of(8)]);

    const second = await open();
    expect(second.told).toEqual(["one", "two"]);
    expect(second.checkpoints.from?.bytes).toEqual(Uint8Array.of(7, 8));
    expect(await second.checkpoints.store!.kept("0001")).toEqual(Uint8Array.of(1, 2));
    expect((await second.checkpoints.store!.kept("best"))!.length).toBe(2 ** 26 + 1);
    expect(await second.checkpoints.store!.kept("0002")).toBeUndefined();
    second.told.push("three");
    await second.checkpoints.store!.keep("best", [Uint8Array.of(5)]);
    await second.checkpoints.save([Uint8Array.of(9)]);
    // What stays as it was does not travel again.
    expect(Object.entries(last).filter(([, one]) => one === true)).toEqual([
      ["events/0", true],
      ["model-0001/0", true],
    ]);
    // The next save comes after a rest, whose length follows from what this one cost.
    const changed = async (): Promise<string[]> => {
      await second.checkpoints.save([Uint8Array.of(9)]);
      return Object.keys(last).filter((name) => last[name] !== true);
    };
    await expect.poll(changed, { timeout: 30_000 }).toEqual(["checkpoint/0"]);

    const third = await open();
    expect(third.told).toEqual(["one", "two", "three"]);
    expect(third.checkpoints.from?.bytes).toEqual(Uint8Array.of(9));
    expect(await third.checkpoints.store!.kept("best")).toEqual(Uint8Array.of(5));
    expect(await third.checkpoints.store!.kept("0001")).toEqual(Uint8Array.of(1, 2));
  });

  it("takes a tenth of the time at most", async () => {
    let times = 0;
    const slow = async (): Promise<void> => {
      times++;
      await new Promise((resolve) => setTimeout(resolve, 30));
    };
    const { checkpoints } = await checkpointsOf({
      checkpoint: { digests: {}, blob: () => Promise.reject(new Error("none")), keep: slow },
    });
    const began = performance.now();
    while (performance.now() - began < 200) {
      await checkpoints.save([]);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(times).toBe(1);
  });
});
