/** Scores by worker processes and a real server: the bytes of one machine, whatever gets lost on the way. */

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import type { TaskEvent } from "../../src/distribute/task.ts";
import { shownAddress } from "../../src/queue/address-node.ts";
import { connect } from "../../src/queue/connection-node.ts";
import { scoreOn } from "../../src/queue/score-on.ts";
import { secateur } from "../cli/support.ts";
import { random } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";
import { hasServer, startServer, startWorker, type WorkerProcess } from "../support/redis.ts";
import { alone, bitsOf, coordinate, listed, model, options, redisOf, taskOf } from "./support.ts";

// Workers are processes, which start slowly where others are busy.
vi.setConfig({ testTimeout: 300_000 });

const onNote = (): void => undefined;
const noRepair = (): Promise<void> => Promise.reject(new Error("nothing was lost"));

describe.skipIf(!hasServer)("scores through a queue", () => {
  it(
    "are those of one machine to the last bit, by 1, 2, 5 and 16 shards, and are not measured twice",
    laws,
    async () => {
      await using server = await startServer();
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
      // Both took part; who is told to stop ends, and says what it fetched.
      for (const worker of [one, two]) {
        await worker.saying(/done in/);
        worker.child.kill("SIGINT");
        expect(await worker.ended()).toBe(0);
        expect(worker.said()).toMatch(/ended; it fetched \d+ blobs/);
      }
      // The server keeps nothing of what is done.
      const left = await redisOf(executor.connection).keys("secateur:tasks:*-1");
      expect(left).toEqual([]);
    },
  );

  it("go on when a worker ends in mid-job, and a blob that is cut short is made anew", laws, async () => {
    await using server = await startServer();
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
    await using server = await startServer();
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
    await using server = await startServer();
    await using executor = await coordinate(server);
    const stop = new AbortController();
    const job = scoreOn(executor, model, { ...options, shards: 4, signal: stop.signal });
    job.result.catch(() => undefined);
    const client = redisOf(executor.connection);
    while ((await client.llen("secateur:tasks:wait")) < 4) await sleep(50);
    stop.abort(new Error("enough"));
    await expect(job.result).rejects.toThrow("enough");
    expect(await client.llen("secateur:tasks:wait")).toBe(0);
  });
});

describe.skipIf(!hasServer)("a worker that is told to leave", () => {
  it("hands back the job in hand, and another does it", laws, async () => {
    await using server = await startServer();
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
});

describe.skipIf(!hasServer)("the server of a queue", () => {
  it("that asks for a password gets it, and nobody reads it", async () => {
    await using server = await startServer(["--requirepass", "s3same:@/?"], "s3same:@/?");
    const address = (password: string) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${server.port}`;
    const connection = await connect(address("s3same:@/?"), { onNote });
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

  it("that is killed in mid-run is waited for, and one that has forgotten everything gets it again", laws, async () => {
    await using server = await startServer();
    const notes: string[] = [];
    await using executor = await coordinate(server, notes);
    const run = scoreOn(executor, model, { ...options, shards: 5 });
    run.result.catch(() => undefined);
    await sleep(1500);
    await server.killAndForget();
    await using _worker = startWorker(server, "worker");
    expect(bitsOf((await run).scores)).toEqual(await alone(3));
    expect(notes.join("\n")).toMatch(/does not answer: waiting for it[^]*is back/);
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

describe.skipIf(!hasServer)("kill -9 at 25 random moments", laws, () => {
  it("of workers and of the server loses nothing, and the scores stay the same", { timeout: 600_000 }, async () => {
    await using server = await startServer(["--appendfsync", "always"]);
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
      expect(await redisOf(executor.connection).llen("secateur:tasks:wait")).toBe(0);
    } finally {
      for (const worker of workers) await worker[Symbol.asyncDispose]();
    }
  });
});
