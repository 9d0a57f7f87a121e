/** Scores by workers of a queue on PostgreSQL: the bytes of one machine, whatever ends on the way. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { describe, expect, it, vi } from "vitest";
import type { TaskEvent } from "../../src/distribute/task.ts";
import { shownAddress } from "../../src/queue/address-node.ts";
import { connect } from "../../src/queue/connection-node.ts";
import { scoreOn } from "../../src/queue/score-on.ts";
import { secateur } from "../cli/support.ts";
import { random } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";
import { hasPostgres, password, startPostgres } from "../support/postgres.ts";
import { startWorker, type WorkerProcess } from "../support/redis.ts";
import { alone, bitsOf, coordinate, listed, model, options, taskOf } from "./support.ts";

vi.setConfig({ testTimeout: 60_000 });
const onNote = (): void => undefined;

/** How many jobs the server has. */
async function jobsOf(url: string): Promise<number> {
  const client = new Client(url);
  await client.connect();
  const { rows } = await client.query<{ count: string }>("SELECT count(*) FROM bullmq.job");
  await client.end();
  return Number(rows[0]!.count);
}

describe.skipIf(!hasPostgres)("scores through a queue on PostgreSQL", () => {
  it("are those of one machine to the last bit, by 1, 2 and 5 shards", async () => {
    await using server = await startPostgres();
    await using one = startWorker(server, "one");
    await using two = startWorker(server, "two", ["--at-once", "2"]);
    await using executor = await coordinate(server);
    for (const worker of [one, two]) await worker.saying(/works for postgres:\/\/secateur:\*\*\*@/);
    await expect.poll(() => executor.workers?.(), { timeout: 10_000 }).toBe(2);
    const whole = await alone(3);
    for (const shards of [1, 2, 5]) {
      const events: TaskEvent[] = [];
      const { scores } = await scoreOn(executor, model, { ...options, shards }, (event) => events.push(event));
      expect(bitsOf(scores)).toEqual(whole);
      expect(events.filter(({ kind }) => kind === "done")).toHaveLength(shards);
      expect(events.filter(({ kind }) => kind === "lost")).toEqual([]);
    }
    for (const worker of [one, two]) {
      await worker.saying(/done in/);
      worker.child.kill("SIGINT");
      expect(await worker.ended()).toBe(0);
    }
    // The server keeps nothing of what is done.
    expect(await jobsOf(server.url)).toBe(0);
  });

  it("go on when a worker is killed in mid-job, and when one leaves", laws, async () => {
    await using server = await startPostgres();
    await using executor = await coordinate(server);
    const lost: string[] = [];
    let first: WorkerProcess | undefined = startWorker(server, "first");
    const long = { ...options, criterion: "oracle", shards: 2 } as const;
    const job = scoreOn(executor, model, long, (event) => {
      if (event.kind === "lost") lost.push(event.why);
      if (event.kind === "taken" && first?.child.kill("SIGKILL")) first = undefined;
    });
    job.result.catch(() => undefined);
    await first.ended();
    await using second = startWorker(server, "second", ["--lock", "60"]);
    await second.saying(/shard \d\/2 taken/);
    second.child.kill("SIGTERM");
    await second.ended();
    expect(second.said()).toMatch(/handed back/);
    await using _third = startWorker(server, "third");
    await job;
    expect(lost.toSorted()).toEqual(["its worker gives no sign of life", "its worker handed it back"]);
    expect(await jobsOf(server.url)).toBe(0);
  });

  it("wait for a server that restarts in mid-run", async () => {
    await using server = await startPostgres();
    const notes: string[] = [];
    await using executor = await coordinate(server, notes);
    await using worker = startWorker(server, "worker");
    await worker.saying(/works for/);
    let isFirst = true;
    let restarted: Promise<void> | undefined;
    const run = scoreOn(executor, model, { ...options, shards: 8 }, ({ kind }) => {
      if (kind === "done" && isFirst) restarted = server.restart();
      if (kind === "done") isFirst = false;
    });
    expect(bitsOf((await run).scores)).toEqual(await alone(3));
    await restarted;
    expect(notes.join("\n")).toMatch(/does not answer: waiting for it[^]*is back/);
    await worker.saying(/does not answer: waiting for it[^]*is back/);
  });

  it("refuse hostile jobs, and take back what nobody has begun", async () => {
    await using server = await startPostgres();
    await using executor = await coordinate(server);
    const stop = new AbortController();
    const job = scoreOn(executor, model, { ...options, shards: 4, signal: stop.signal });
    job.result.catch(() => undefined);
    while ((await jobsOf(server.url)) < 4) await sleep(50);
    stop.abort(new Error("enough"));
    await expect(job.result).rejects.toThrow("enough");
    expect(await jobsOf(server.url)).toBe(0);
    await using worker = startWorker(server, "worker");
    const { bullmq } = executor.connection;
    const queue = new bullmq.Queue("tasks", { connection: executor.connection.client() as never });
    queue.on("error", () => undefined);
    for (const data of ["rm -rf /", { task: taskOf("shell", { command: "id" }, {}), anew: false }])
      await queue.add("hostile", data, { removeOnComplete: true, attempts: 3 });
    await expect.poll(worker.said, { timeout: 60_000 }).toMatch(/refused: refused a job[^]*"shell" is no kind of task/);
    await queue.close();
    const noRepair = (): Promise<void> => Promise.reject(new Error("nothing was lost"));
    await expect(executor.run(listed([taskOf("score-part", {}, {})]), 1, noRepair)).rejects.toThrow(
      "options of a score-part are wrong",
    );
  });
});

describe.skipIf(!hasPostgres)("a server of PostgreSQL", () => {
  it("that refuses is told of, and nobody reads the password", async () => {
    await using server = await startPostgres();
    const connection = await connect(server.address(password), { onNote });
    expect(connection.address).toBe(`postgres://secateur:***@127.0.0.1:${server.port}/postgres`);
    await connection[Symbol.asyncDispose]();
    const none = `postgres://secateur@127.0.0.1:${server.port}/postgres`;
    for (const wrong of [server.address("wr0ng"), none]) {
      const ran = await secateur(["worker", "--queue", wrong, "--store", join(server.folder, "store"), "--debug"]);
      expect(ran.code).toBe(2);
      expect(ran.err).toContain("refuses the password, or asks for one, as in postgres://user:PASSWORD@host/database");
      expect(ran.err).not.toContain("wr0ng");
    }
    const refusal = async (address: string): Promise<unknown> =>
      connect(address, { onNote }).catch((thrown: unknown) => thrown);
    expect(await refusal(server.address(password, "absent"))).toMatchObject({
      code: "bad-option",
      message: expect.stringContaining('database "absent" does not exist') as unknown,
    });
    expect(await refusal(`${server.url}?sslmode=require`)).toMatchObject({
      code: "io",
      message: expect.stringContaining("does not support SSL") as unknown,
    });
  });
});

describe("an address of PostgreSQL", () => {
  it("that is none, or where nobody answers, is refused without its password", async () => {
    for (const wrong of [
      "postgres://:secret@",
      "postgres://:secret@host/a/b",
      "postgresql://:secret@host/a?options=-csearch_path%3Dx",
      "postgres://:secret@host/a?sslmode=prefer",
    ]) {
      const error: unknown = await connect(wrong, { onNote }).catch((thrown: unknown) => thrown);
      expect(error, wrong).toMatchObject({ code: "bad-option" });
      expect(String(error)).toContain("it looks like postgres://user:password@host:5432/database");
      expect(String(error)).not.toContain("secret");
    }
    expect(shownAddress("postgres://me:secret@host/a")).toBe("postgres://me:***@host/a");
    const nobody: unknown = await connect("postgres://me:secret@127.0.0.1:1/a", { onNote }).catch(
      (thrown: unknown) => thrown,
    );
    expect(nobody).toMatchObject({ code: "io" });
    expect(String(nobody)).toContain("no queue answers at postgres://me:***@127.0.0.1:1/a: ECONNREFUSED");
  });
});

describe.skipIf(!hasPostgres)("kill -9 at 12 random moments", laws, () => {
  it("of workers and of PostgreSQL loses nothing, and the scores stay the same", { timeout: 600_000 }, async () => {
    await using server = await startPostgres();
    const workers = [startWorker(server, "0"), startWorker(server, "1")];
    const next = random(2027);
    try {
      await using executor = await coordinate(server);
      for (const worker of workers) await worker.saying(/works for/);
      for (let round = 0; round < 12; round++) {
        const seed = 100 + round;
        const job = scoreOn(executor, model, { ...options, seed, shards: 8 });
        job.result.catch(() => undefined);
        await sleep(200 + next() * 1200);
        const victim = round % 2 === 0 ? 2 : Math.floor(next() * 2);
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
      expect(await jobsOf(server.url)).toBe(0);
    } finally {
      for (const worker of workers) await worker[Symbol.asyncDispose]();
    }
  });
});
