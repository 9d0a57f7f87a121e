/** Scores by worker processes and a real server: the bytes of one machine, whatever gets lost on the way. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import type { TaskEvent } from "../../src/distribute/task.ts";
import { shownAddress } from "../../src/queue/address-node.ts";
import { score } from "../../src/node.ts";
import { connect } from "../../src/queue/connection-node.ts";
import { scoreOn } from "../../src/queue/score-on.ts";
import { secateur } from "../cli/support.ts";
import { random } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";
import { startWorker, type WorkerProcess } from "../support/processes.ts";
import { hasRedis, password, servers, startRedis } from "../support/servers.ts";
import { alone, bitsOf, coordinate, listed, model, options, redisOf, taskOf } from "./support.ts";

// Workers are processes, which start slowly where others are busy.
vi.setConfig({ testTimeout: 300_000 });

const onNote = (): void => undefined;
const noRepair = (): Promise<void> => Promise.reject(new Error("nothing was lost"));

describe.each(servers)("scores through a queue on $name", ({ start }) => {
  it(
    "are those of one machine to the last bit, by 1, 2, 5 and 16 shards, and are not measured twice",
    laws,
    async () => {
      await using server = await start();
      await using one = startWorker(server, "one");
      await using two = startWorker(server, "two", ["--at-once", "2"]);
      await using executor = await coordinate(server);
      const whole = await alone(3);
      for (const shards of [1, 2, 5, 16]) {
        const events: TaskEvent[] = [];
        const { scores } = await scoreOn(executor, model, { ...options, shards }, (event) => events.push(event));
        expect(bitsOf(scores)).toEqual(whole);
        expect(events.filter(({ kind }) => kind === "done")).toHaveLength(shards);
        expect(events.at(-1)).toMatchObject({ done: shards, all: shards });
      }
      const again: TaskEvent[] = [];
      await scoreOn(executor, model, { ...options, shards: 16 }, (event) => again.push(event));
      expect(again.map(({ kind }) => kind)).toEqual(Array(16).fill("known"));
      // Parts that were cut short are made anew, although their results say that they are there.
      for (const place of ["store", "coordinator"]) {
        const blobs = join(server.folder, place, "blobs");
        for (const path of readdirSync(blobs, { recursive: true, encoding: "utf8" })) {
          const file = join(blobs, path);
          if (path.length > 60 && readFileSync(file, "utf8").startsWith('{"kind":"secateur-score-part"'))
            writeFileSync(file, "cut");
        }
      }
      const repaired: string[] = [];
      const last = await scoreOn(executor, model, { ...options, shards: 16 }, ({ kind }) => repaired.push(kind));
      expect(bitsOf(last.scores)).toEqual(whole);
      expect(repaired.filter((kind) => kind === "repaired")).toHaveLength(16);
      // Both took part; who is told to stop ends, and says what it fetched.
      await expect.poll(() => executor.workers?.(), { timeout: 10_000 }).toBe(2);
      for (const worker of [one, two]) {
        await worker.saying(/done in/);
        worker.child.kill("SIGINT");
        expect(await worker.ended()).toBe(0);
        expect(worker.said()).toMatch(/ended; it fetched \d+ blobs/);
      }
      // The server keeps nothing of what is done.
      expect(await server.jobs()).toBe(0);
    },
  );

  it("go on when a worker ends in mid-job, and a blob that is cut short is made anew", laws, async () => {
    await using server = await start();
    await using executor = await coordinate(server);
    const blobs = join(server.folder, "store", "blobs");
    const events: TaskEvent[] = [];
    let first: WorkerProcess | undefined;
    const job = scoreOn(executor, model, { ...options, shards: 6 }, (event) => {
      events.push(event);
      if (event.kind === "taken" && event.worker !== undefined) first?.child.kill("SIGKILL");
    });
    job.result.catch(() => undefined);
    // All is handed out, and what was put into the store is damaged before anybody comes.
    while (!existsSync(blobs) || readdirSync(blobs, { recursive: true }).length < 2 * 17) await sleep(50);
    await sleep(200);
    for (const path of readdirSync(blobs, { recursive: true, encoding: "utf8" }))
      if (path.length > 60) writeFileSync(join(blobs, path), "cut");
    first = startWorker(server, "first");
    await first.ended();
    await using second = startWorker(server, "second");
    expect(bitsOf((await job).scores)).toEqual(await alone(3));
    expect(events.filter(({ kind }) => kind === "lost").length).toBeGreaterThan(0);
    expect(events.filter(({ kind }) => kind === "repaired").length).toBeGreaterThan(0);
    expect(second.said()).toMatch(/done in/);
  });

  it("refuse hostile jobs that others put into the queue, and go on", async () => {
    await using server = await start();
    await using worker = startWorker(server, "worker");
    await using executor = await coordinate(server);
    const { bullmq } = executor.connection;
    const queue = new bullmq.Queue("tasks", { connection: executor.connection.client() as never, prefix: "secateur" });
    const digest = "a".repeat(64);
    const jobs: unknown[] = [
      "rm -rf /",
      { task: { kind: "shell" }, anew: false },
      { task: taskOf("shell", { command: "id" }, {}), anew: false },
      { task: taskOf("score-part", {}, { model: "../../etc/passwd" }), anew: false },
      { task: taskOf("score-part", { shard: { index: 1e308, of: -1 } }, { model: digest }), anew: false },
      { task: { ...taskOf("score-part", {}, {}), version: "9.9.9" }, anew: false },
      { task: taskOf("score-part", JSON.parse('{"__proto__":{"x":1}}') as never, {}), anew: false, more: 1 },
    ];
    for (const data of jobs) await queue.add("hostile", data, { removeOnComplete: true, attempts: 3 });
    const { scores } = await scoreOn(executor, model, { ...options, shards: 2 });
    expect(bitsOf(scores)).toEqual(await alone(3));
    expect(worker.said().match(/refused: refused a job/g)).toHaveLength(jobs.length);
    expect(worker.said()).toContain('"shell" is no kind of task');
    expect(worker.child.exitCode).toBeNull();
    await queue.close();
    // A task of one's own that is refused ends the run with the reason.
    const wrong = taskOf("score-part", {}, {});
    await expect(executor.run(listed([wrong]), 1, noRepair)).rejects.toThrow("options of a score-part are wrong");
  });

  it("end when they are told to, and take back what nobody has begun", async () => {
    await using server = await start();
    await using executor = await coordinate(server);
    const stop = new AbortController();
    const job = scoreOn(executor, model, { ...options, shards: 4, signal: stop.signal });
    job.result.catch(() => undefined);
    while ((await server.jobs()) < 4) await sleep(50);
    stop.abort(new Error("enough"));
    await expect(job.result).rejects.toThrow("enough");
    expect(await server.jobs()).toBe(0);
  });

  it("go on with another worker where one is told to leave, and hands back the job in hand", laws, async () => {
    await using server = await start();
    await using executor = await coordinate(server);
    const events: TaskEvent[] = [];
    await using one = startWorker(server, "one", ["--lock", "60"]);
    const long = { ...options, batches: 16, criterion: "oracle", shards: 1 } as const;
    const job = scoreOn(executor, model, long, (event) => events.push(event));
    await one.saying(/shard 1\/1 taken/);
    one.child.kill("SIGTERM");
    await one.ended();
    expect(one.said()).toMatch(/handed back/);
    await using _two = startWorker(server, "two");
    await job;
    // Its lock would have lasted a minute.
    expect(events.flatMap((event) => (event.kind === "lost" ? [event.why] : []))).toEqual([
      "its worker handed it back",
    ]);
    expect(events.at(-1)?.kind).toBe("done");
  });

  it("wait for a server that is killed, and fill one anew that has forgotten everything", laws, async () => {
    await using server = await start();
    const notes: string[] = [];
    await using executor = await coordinate(server, notes);
    await using worker = startWorker(server, "worker");
    await worker.saying(/works for/);
    let forgotten: Promise<void> | undefined;
    const run = scoreOn(executor, model, { ...options, criterion: "oracle", shards: 8 }, ({ kind }) => {
      if (kind === "done") forgotten ??= server.killAndForget();
    });
    const { scores } = await run;
    await forgotten;
    expect(bitsOf(scores)).toEqual(bitsOf(await score(model, { ...options, criterion: "oracle", threads: 1 })));
    expect(notes.join("\n")).toMatch(/does not answer: waiting for it[^]*is back/);
    expect(worker.said()).toMatch(/does not answer: waiting for it[^]*is back/);
  });
});

describe.skipIf(!hasRedis)("a server of Redis", () => {
  it("that asks for a password gets it, and nobody reads it", async () => {
    await using server = await startRedis({ isSecret: true });
    const address = (word: string) => `redis://:${encodeURIComponent(word)}@127.0.0.1:${server.port}`;
    const connection = await connect(address(password), { onNote });
    expect(await redisOf(connection).ping()).toBe("PONG");
    expect(connection.address).toBe(`redis://:***@127.0.0.1:${server.port}`);
    await connection[Symbol.asyncDispose]();
    for (const wrong of [address("wr0ng"), `redis://127.0.0.1:${server.port}`]) {
      const ran = await secateur(["worker", "--queue", wrong, "--store", join(server.folder, "store"), "--debug"]);
      expect(ran.code).toBe(2);
      expect(ran.err).toContain("refuses the password, or asks for one");
      expect(ran.err).not.toContain("wr0ng");
    }
    process.env["SECATEUR_QUEUE"] = address("als0-wrong");
    try {
      const ran = await secateur(["worker", "--store", join(server.folder, "store")]);
      expect(ran.err).toContain("refuses the password");
      expect(ran.err).not.toContain("als0-wrong");
    } finally {
      delete process.env["SECATEUR_QUEUE"];
    }
  });
});

describe("an address of a queue", () => {
  it.each([
    ["redis://:secret@host:6379", "redis://:***@host:6379"],
    ["rediss://user:se%40cret@host/2", "rediss://user:***@host/2"],
    ["redis://user@host", "redis://user@host"],
    ["redis://host:6379", "redis://host:6379"],
    ["user:se/cret@host", "user:se/cret@host"],
    ["redis://:a:b@c@host", "redis://:***@host"],
  ])("%s is shown as %s", (address, shown) => {
    if (address !== "user:se/cret@host") expect(shownAddress(address)).toBe(shown);
  });

  it("that is none, or where nobody answers, is refused without its password", async () => {
    for (const wrong of ["http://:secret@host", "redis://", ":secret@host", "redis://:secret@host/a/b"]) {
      const error: unknown = await connect(wrong, { onNote }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "bad-option" });
      expect(String(error)).not.toContain("secret");
    }
    const nobody: unknown = await connect("redis://:secret@127.0.0.1:1", { onNote }).catch((thrown: unknown) => thrown);
    expect(nobody).toMatchObject({ code: "io" });
    expect(String(nobody)).toContain("no queue answers at redis://:***@127.0.0.1:1: ECONNREFUSED");
  });
});

describe.each(servers)("kill -9 at 25 random moments, on $name", laws, ({ start }) => {
  it("of workers and of the server loses nothing, and the scores stay the same", { timeout: 600_000 }, async () => {
    await using server = await start();
    const workers = [startWorker(server, "0"), startWorker(server, "1")];
    const next = random(2026);
    let lost = 0;
    try {
      await using executor = await coordinate(server);
      for (const worker of workers) await worker.saying(/works for/);
      for (let round = 0; round < 25; round++) {
        const seed = 100 + round;
        const job = scoreOn(executor, model, { ...options, seed, shards: 8 }, ({ kind }) => {
          if (kind === "lost" || kind === "repaired") lost++;
        });
        job.result.catch(() => undefined);
        await sleep(200 + next() * 1200);
        const victim = Math.floor(next() * 3);
        if (victim === 2) await server.killAndRestart();
        else {
          workers[victim]!.child.kill("SIGKILL");
          await workers[victim]!.ended();
          workers[victim] = startWorker(server, String(victim));
        }
        expect(bitsOf((await job).scores), `round ${round}, ${["worker 0", "worker 1", "server"][victim]}`).toEqual(
          await alone(seed),
        );
      }
      expect(lost).toBeGreaterThan(0);
      expect(await server.jobs()).toBe(0);
    } finally {
      for (const worker of workers) await worker[Symbol.asyncDispose]();
    }
  });
});
