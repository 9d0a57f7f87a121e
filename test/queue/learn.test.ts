/** Learning by workers of a queue: the bytes of one process, whatever gets lost on the way. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { CachedStore } from "../../src/distribute/cached-store-node.ts";
import { checkTask, type Executor, type TaskEvent } from "../../src/distribute/task.ts";
import { fail, type ErrorCode } from "../../src/graph/error.ts";
import type { Model } from "../../src/graph/graph.ts";
import { finetune, load, prune, type FinetuneOptions } from "../../src/node.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { shownAddress } from "../../src/queue/address-node.ts";
import { machinesOn, type MachinesOnOptions } from "../../src/queue/machines-on.ts";
import { taskKinds } from "../../src/queue/tasks/table.ts";
import { threadsExecutor } from "../../src/queue/threads-node.ts";
import type { LostEvent } from "../../src/train/events.ts";
import { digitsIn, openWorkshop, secateur, writeDigits } from "../cli/support.ts";
import { laws } from "../support/laws.ts";
import { batchOf, datasetOf, lossPath, readLossReference } from "../support/loss-files.ts";
import { startWorker, type WorkerProcess } from "../support/processes.ts";
import { servers, type Server } from "../support/servers.ts";
import { coordinate, data, model, storeOf, taskOf } from "./support.ts";

// Workers are processes, which start slowly where others are busy.
vi.setConfig({ testTimeout: 300_000 });
const folder = mkdtempSync(join(tmpdir(), "secateur-learn-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;
const newStore = (): CachedStore => storeOf(join(folder, String(++stores)));

const common = { data, batchSize: 4, threads: 1, seed: 7, labelsAreRight: true } as const;
const pruning = {
  ...common,
  budget: { macs: 0.7 },
  every: 6,
  unitsPerStep: 4,
  pruneLearningRate: 0.01,
  learningRate: 0.02,
  epochs: 1,
  averageEvery: 2,
} as const;

const bytesOf = (found: Model): string => Buffer.from(encodeModel(found)).toString("base64");
/** What workers of one process come to. */
const pruned = async (machines: number): Promise<string> =>
  bytesOf((await prune(model, { ...pruning, machines })).model);

/** The files that a store has, by their folders. */
const filesIn = (at: string): string[] =>
  readdirSync(at, { recursive: true, encoding: "utf8" }).filter((path) => /[0-9a-f]{64}$/.test(path));

async function prunedBy(executor: Executor, more: Partial<MachinesOnOptions> = {}): Promise<string> {
  await using learners = machinesOn(executor, { count: 2, ...more });
  return bytesOf((await prune(model, { ...pruning, learners })).model);
}

describe("learning by tasks", () => {
  const hands = { atOnce: 2, threads: 1, patience: 60 } as const;

  it("comes to the bytes of workers of one process, and leaves nothing in the store", async () => {
    const store = newStore();
    await using executor = threadsExecutor(store, hands);
    const events: TaskEvent[] = [];
    expect(await prunedBy(executor, { onEvent: (event) => events.push(event) })).toBe(await pruned(2));
    expect(events.filter(({ kind }) => kind === "done").length).toBeGreaterThan(4);
    expect(events.every(({ done, all }) => done <= all && all <= 2)).toBe(true);
    expect(filesIn(store.name)).toEqual([]);
    // Nothing of it stays on the disk of who hands out either.
    expect(filesIn(store.folder)).toEqual([]);
  });

  it.each(["a loss in a file", "a teacher"])("carries %s, and goes on where blobs were lost", laws, async (carried) => {
    const detector = await load(lossPath("detector"));
    const few = { data: datasetOf(batchOf(readLossReference("detector")), 16), averageEvery: 1, epochs: 2 };
    const [start, own] =
      carried === "a teacher"
        ? [model, { averageEvery: 2, epochs: 1, teacher: model, distil: 0.3, optimiser: { kind: "adamw" }, mixup: 0.4 }]
        : [detector, { ...few, loss: { kind: "file", file: lossPath("detector-each-older") }, clip: 1, ema: 0.9 }];
    const learning = { ...common, learningRate: 0.01, ...own } as FinetuneOptions;
    const store = newStore();
    await using executor = threadsExecutor(store, hands);
    let damaged = 0;
    const learners = machinesOn(executor, {
      count: 2,
      onEvent({ kind }) {
        if (kind !== "done" || damaged > 0) return;
        for (const place of [store.name, store.folder])
          for (const path of filesIn(place).filter((one) => one.startsWith("blobs"))) {
            rmSync(join(place, path), { force: true });
            damaged++;
          }
      },
    });
    const one = bytesOf(await finetune(start, { ...learning, machines: 2 }));
    expect(bytesOf(await finetune(start, { ...learning, learners }))).toBe(one);
    expect(damaged).toBeGreaterThan(2);
    // What all intervals have in common stays until the end.
    expect(filesIn(store.name).length).toBeGreaterThan(0);
    await learners[Symbol.asyncDispose]();
    expect(filesIn(store.name)).toEqual([]);
  });

  it("loses a slice that was tried too often and no other, and ends where the task is at fault", async () => {
    const store = newStore();
    await using threads = threadsExecutor(store, hands);
    let [asked, code]: [number, ErrorCode] = [0, "io"];
    const failing: Executor = {
      ...threads,
      run: async (...given) => (++asked === 2 ? fail(code, "tried five times") : await threads.run(...given)),
    };
    const lost: LostEvent[] = [];
    const onEvent = (event: { readonly kind: string }) => void (event.kind === "lost" && lost.push(event as LostEvent));
    const run = async (): Promise<void> => {
      await using learners = machinesOn(failing, { count: 2 });
      await finetune(model, { ...common, learners, epochs: 1, learningRate: 0.02, averageEvery: 2, onEvent });
    };
    await run();
    expect(lost).toMatchObject([{ machines: 2, minibatches: 2, samples: 8, reason: "tried five times" }]);
    expect(filesIn(store.name)).toEqual([]);
    [asked, code] = [0, "bad-data"];
    await expect(run()).rejects.toMatchObject({ code: "bad-data", message: "tried five times" });
    expect(filesIn(store.name)).toEqual([]);
  });

  it("takes no options from others that name files, bring models, or are beyond all measure", () => {
    const step = { batch: 4, loss: "cross-entropy", seed: 0 };
    const right = { step, lessons: [{ rate: 0.1, number: 0 }], updates: 0, device: "cpu" };
    const check = (options: object) => checkTask(taskOf("interval", { ...right, ...options }, {}), taskKinds);
    expect(check({}).label).toBe("minibatches 1 to 1");
    const graph = { nodes: [], name: "x" };
    for (const wrong of [
      { step: { ...step, loss: { kind: "file", file: "/etc/passwd", model: { graph } } } },
      { step: { ...step, runtime: "x" } },
      { step: { ...step, batch: 1e12 } },
      { lessons: [] },
      { lessons: [{ rate: -1, number: 0 }] },
      { teacher: "../model.onnx" },
      { device: "abacus" },
    ])
      expect(() => check(wrong), JSON.stringify(wrong)).toThrow("options of an interval are wrong");
  });
});

describe.each(servers)("learning through a queue on $name", ({ start }) => {
  it("says so where no worker is there, and goes on when one comes", async () => {
    await using server = await start();
    await using executor = await coordinate(server);
    const counts: number[] = [];
    const run = prunedBy(executor, { onWorkers: (count) => counts.push(count) });
    run.catch(() => undefined);
    while (counts.length === 0) await sleep(50);
    expect(counts).toEqual([0]);
    await using one = startWorker(server, "one");
    await one.saying(/minibatches 1 to 3 taken/);
    expect(await run).toBe(await pruned(2));
    expect(filesIn(join(server.folder, "store"))).toEqual([]);
  });

  it("takes over what a worker had in hand that was killed, and comes to the same bytes", laws, async () => {
    await using server = await start();
    await using executor = await coordinate(server);
    const workers: WorkerProcess[] = [startWorker(server, "one"), startWorker(server, "two")];
    const events: TaskEvent[] = [];
    const counts: number[] = [];
    try {
      for (const worker of workers) await worker.saying(/works for/);
      let killed = 0;
      const result = await prunedBy(executor, {
        onWorkers: (count) => counts.push(count),
        onEvent(event) {
          events.push(event);
          if (event.kind !== "taken" || event.worker === undefined || events.length < 6 || killed > 0) return;
          killed++;
          workers.find(({ child }) => event.worker!.endsWith(`:${child.pid}`))!.child.kill("SIGKILL");
        },
      });
      expect(result).toBe(await pruned(2));
      const why = events.flatMap((event) => (event.kind === "lost" ? [event.why] : []));
      // Each loss is told once, as what it was.
      expect(why.filter((text) => /worker/.test(text))).toEqual(["its worker gives no sign of life"]);
      expect(killed).toBe(1);
      expect(counts[0]).toBe(2);
    } finally {
      for (const worker of workers) await worker[Symbol.asyncDispose]();
    }
  });

  it("waits for a server that is killed in mid-run, and comes to the same bytes", laws, async () => {
    await using server = await start();
    const notes: string[] = [];
    await using executor = await coordinate(server, notes);
    await using one = startWorker(server, "one");
    await using two = startWorker(server, "two");
    for (const worker of [one, two]) await worker.saying(/works for/);
    let restarts: Promise<void>[] = [];
    let done = 0;
    const result = await prunedBy(executor, {
      onEvent({ kind }) {
        if (kind === "done") done++;
        if (kind === "taken" && done >= 3 && restarts.length === 0) restarts = [server.killAndRestart()];
      },
    });
    await Promise.all(restarts);
    expect(restarts).toHaveLength(1);
    expect(result).toBe(await pruned(2));
    expect(notes.join("\n")).toMatch(/does not answer: waiting for it/);
  });
});

describe.each(servers)("--queue on $name", laws, ({ start }) => {
  const workshop = openWorkshop();
  const { at } = workshop;
  afterAll(() => workshop.remove());
  const queue = ({ url, folder: own }: Server): string[] =>
    ["--queue", url, "--store", join(own, "store")].concat("--cache", join(own, "here"));

  it.each([
    ["prune", "--macs 0.7 --prune-learning-rate 0.01"],
    ["finetune", ""],
    ["train", ""],
  ])("%s --machines 2 by two worker processes writes the file that one process writes", async (command, more) => {
    writeDigits(workshop);
    await secateur(["new", "lenet5", "--seed", "1", "-o", at("net.onnx")]);
    const words = (output: string): string[] => [
      command,
      at("net.onnx"),
      ...digitsIn(workshop.folder),
      ...`--machines 2 --average-every 2 --epochs 2 --learning-rate 0.02 ${more}`.trim().split(" "),
      ...["--labels-are-right", "--checkpoint-every", "0", "-o"].concat(at(output)),
    ];
    const here = await secateur(words(`${command}-here.onnx`));
    expect(here.code, here.err).toBe(0);
    await using server = await start({ isSecret: true });
    await using one = startWorker(server, "one");
    await using two = startWorker(server, "two");
    for (const worker of [one, two]) await worker.saying(/works for/);
    const asked = [...words(`${command}-away.onnx`), ...queue(server)];
    // The record says how the command was called.
    vi.spyOn(process, "argv", "get").mockReturnValue(["node", "secateur", ...asked]);
    const away = await secateur(asked);
    vi.restoreAllMocks();
    expect(away.code, away.err).toBe(0);
    expect(away.err).toContain("2 workers take jobs of this queue");
    expect(readFileSync(at(`${command}-away.onnx`))).toEqual(readFileSync(at(`${command}-here.onnx`)));
    for (const worker of [one, two]) expect(worker.said()).toMatch(/minibatches \d+ to \d+ done in/);
    const told = readdirSync(at(`${command}-away.run`), { recursive: true, withFileTypes: true });
    for (const file of told.filter((one) => one.isFile()))
      expect(readFileSync(join(file.parentPath, file.name), "utf8"), file.name).not.toMatch(/s3same/);
    expect(readFileSync(at(`${command}-away.run/config.json`), "utf8")).toContain(shownAddress(server.url));

    // Stopped, and gone on with.
    const stop = new AbortController();
    const stopped = await secateur([...words(`${command}-late.onnx`), ...queue(server)], stop.signal, (text) => {
      if (/epoch 1 of|pruned in/.test(text)) stop.abort();
    });
    expect(stopped.code).toBe(130);
    const dir = at(`${command}-late.run`);
    const nowhere = await secateur([command, "--resume", dir]);
    expect(nowhere.err).toContain("name the queue: --queue");
    const resumed = await secateur([command, "--resume", dir, ...queue(server)]);
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.err).not.toContain("may differ");
    expect(readFileSync(at(`${command}-late.onnx`))).toEqual(readFileSync(at(`${command}-here.onnx`)));
    expect(filesIn(join(server.folder, "store"))).toEqual([]);
  });

  it("needs a store, and a store a queue", async () => {
    const words = ["prune", at("net.onnx"), ...digitsIn(workshop.folder), "--macs", "0.5", "-o", at("x.onnx")];
    expect((await secateur([...words, "--store", folder])).err).toContain("--store is where work of a queue lies");
    expect((await secateur([...words, "--queue", "redis://127.0.0.1:1"])).err).toContain("name the store: --store DIR");
  });
});
