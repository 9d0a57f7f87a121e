/** Scores by tasks in threads of this machine: the bytes of one machine, whatever is done twice or gets lost. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { laws } from "../support/laws.ts";
import type { Task, TaskEvent } from "../../src/distribute/task.ts";
import { openHands } from "../../src/queue/hands-node.ts";
import { expectScoreOn, scoreOn } from "../../src/queue/score-on.ts";
import { threadsExecutor } from "../../src/queue/threads-node.ts";
import { score } from "../../src/node.ts";
import { alone, bitsOf, data, keyOf, listed, model, options, storeOf } from "./support.ts";

vi.setConfig({ testTimeout: 300_000 });
const folder = mkdtempSync(join(tmpdir(), "secateur-threads-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;
const newStore = () => storeOf(join(folder, String(++stores)));
const hands = { atOnce: 2, threads: 1, patience: 60 } as const;
const noRepair = (): Promise<void> => Promise.reject(new Error("nothing was lost"));

describe("scores by tasks", () => {
  it("are those of one machine to the last bit, by 1, 2, 5 and 16 shards", async () => {
    await using executor = threadsExecutor(newStore(), hands);
    const one = await alone(3);
    for (const shards of [1, 2, 5, 16]) {
      const { scores, remarks } = await scoreOn(executor, model, { ...options, shards });
      expect(bitsOf(scores)).toEqual(one);
      expect(remarks).toEqual([]);
    }
  });

  it("are not measured again where they are in the store, and again where a part is damaged", laws, async () => {
    const store = newStore();
    const root = join(folder, String(stores));
    await using executor = threadsExecutor(store, hands);
    const run = async () => {
      const events: TaskEvent[] = [];
      const { scores } = await scoreOn(executor, model, { ...options, shards: 4 }, (event) => events.push(event));
      return { bits: bitsOf(scores), kinds: events.map(({ kind }) => kind), events };
    };
    const first = await run();
    expect(first.kinds.filter((kind) => kind === "done")).toHaveLength(4);
    expect(first.events.at(-1)).toMatchObject({ done: 4, all: 4 });
    expect((await run()).kinds).toEqual(Array(4).fill("known"));
    // One result is cut short; the blob of another is gone, here and there.
    const results = readdirSync(join(root, "store", "results"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.length > 60)
      .map((path) => join(root, "store", "results", path));
    expect(results).toHaveLength(4);
    truncateSync(results[0]!, 70);
    const { part } = (JSON.parse(readFileSync(results[1]!, "utf8").split("\n")[1]!) as { blobs: { part: string } })
      .blobs;
    for (const place of ["store", "coordinator"]) {
      const file = join(root, place, "blobs", part.slice(0, 2), part);
      expect(existsSync(file)).toBe(true);
      rmSync(file);
    }
    const last = await run();
    expect(last.kinds.filter((kind) => kind === "done")).toHaveLength(2);
    expect(last.kinds.filter((kind) => kind === "known")).toHaveLength(2);
    expect(last.bits).toEqual(first.bits);
  });

  it("make lost blobs anew while they go on", laws, async () => {
    const store = newStore();
    const root = join(folder, String(stores));
    await using executor = threadsExecutor(store, hands);
    let damaged = 0;
    const events: TaskEvent[] = [];
    const { scores } = await scoreOn(executor, model, { ...options, shards: 4 }, (event) => {
      events.push(event);
      if (damaged > 0 || event.kind !== "taken") return;
      // All that lies there now is cut short, the model among it.
      for (const path of readdirSync(join(root, "store", "blobs"), { recursive: true, encoding: "utf8" })) {
        if (path.length < 60) continue;
        writeFileSync(join(root, "store", "blobs", path), "cut");
        damaged++;
      }
    });
    expect(damaged).toBeGreaterThan(1);
    expect(events.filter(({ kind }) => kind === "repaired").length).toBeGreaterThan(0);
    expect(bitsOf(scores)).toEqual(await alone(3));
  });

  it("measure what a fixed part of the data gives, where it ends early", laws, async () => {
    await using executor = threadsExecutor(newStore(), hands);
    const given = { ...options, batches: 40 };
    const { scores } = await scoreOn(executor, model, { ...given, shards: 5 });
    expect(bitsOf(scores)).toEqual(bitsOf(await score(model, { ...given, threads: 1 })));
  });

  it("refuse what does not travel, before anything is handed out", async () => {
    await using executor = threadsExecutor(newStore(), hands);
    const own = {
      name: "own",
      summary: "",
      kind: "data",
      needs: ["gates"],
      sample: () => new Float64Array(1),
    } as const;
    const on = (more: object) => scoreOn(executor, model, { ...options, shards: 2, ...more }).result;
    await expect(on({ criterion: own })).rejects.toThrow("which does not travel");
    await expect(on({ criterion: "magnitude" })).rejects.toThrow("looks at weights alone");
    await expect(on({ loss: { kind: "file", file: "x.onnx" } })).rejects.toThrow();
  });

  it("say what it would take", async () => {
    const expected = await expectScoreOn(model, { ...options, shards: 5 });
    expect(expected).toMatchObject({ jobs: 5, minibatches: 16 });
    expect(expected.bytes).toBeGreaterThan(16 * 4 * 243 * 4);
    expect(expected.seconds).toBeGreaterThan(0);
  });
});

describe("a task", () => {
  /** The first task of a measurement, with its blobs in the store. */
  async function firstTask(store: ReturnType<typeof newStore>): Promise<Task> {
    let task: Task | undefined;
    const stop = new Error("stop");
    const spy = {
      store,
      async run(tasks: AsyncIterable<Task>): Promise<never> {
        for await (const one of tasks) {
          task ??= one;
          break;
        }
        throw stop;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    await expect(scoreOn(spy, model, { ...options, data, shards: 2 }).result).rejects.toBe(stop);
    return task!;
  }

  it("that is done by two at once changes nothing, and gives both the same", async () => {
    const store = newStore();
    const root = join(folder, String(stores));
    const task = await firstTask(store);
    await using one = openHands(storeOf(root, "one"), hands);
    await using two = openHands(storeOf(root, "two"), hands);
    const [a, b] = await Promise.all([one.take(task), two.take(task)]);
    expect(a).toMatchObject({ state: "done" });
    expect(b).toMatchObject({ state: "done" });
    expect(a.state === "done" && b.state === "done" && b.made.blobs).toEqual(a.state === "done" && a.made.blobs);
    const kept = await store.kept(await keyOf(task));
    expect(await two.take(task)).toMatchObject({ state: "done", seconds: 0 });
    expect(await two.take(task, { anew: true })).toMatchObject({ state: "done", made: a.state === "done" && a.made });
    expect(await store.kept(await keyOf(task))).toBe(kept);
    // A result whose blob is gone is none: whoever takes the task does it.
    const { part } = a.state === "done" ? a.made.blobs : {};
    await store.remove(part!);
    const again = await two.take(task);
    expect(again).toMatchObject({ state: "done", made: a.state === "done" && a.made });
    expect(again.state === "done" && again.seconds).toBeGreaterThan(0);
    expect(await store.size(part!)).toBeGreaterThan(0);
  });

  it("without its blobs names them, and a hostile one is refused without a look at any file", async () => {
    const store = newStore();
    const task = await firstTask(store);
    await using working = openHands(store, hands);
    const absent = "f".repeat(64);
    const lacking = { ...task, blobs: { ...task.blobs, "batch/0": absent } };
    expect(await working.take(lacking)).toEqual({ state: "lost", digests: [absent] });
    const hostile = { ...task, blobs: { model: "../../../etc/passwd" } };
    expect(await working.take(hostile)).toMatchObject({ state: "refused", refusal: { code: "bad-data" } });
    const noModel = { ...task, blobs: { model: task.blobs["batch/0"]! } };
    expect(await working.take(noModel)).toMatchObject({ state: "refused", refusal: { code: "bad-model" } });
  });

  it("that is refused ends the run with what was refused", async () => {
    const store = newStore();
    const task = await firstTask(store);
    await using executor = threadsExecutor(store, hands);
    const wrong = { ...task, blobs: { model: task.blobs["batch/0"]! } };
    const error: unknown = await executor.run(listed([wrong]), 1, noRepair).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "SecateurError", code: "bad-model" });
  });

  it("that makes no progress is stopped, and tried no more than some times", async () => {
    const store = newStore();
    const task = await firstTask(store);
    await using working = openHands(store, { ...hands, patience: 0.001 });
    await expect(working.take(task)).rejects.toThrow("no progress for 0.001 seconds: it was stopped");
  });
});
