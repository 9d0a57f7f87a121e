/** What a queue on PostgreSQL has of its own: its addresses, whom it refuses, and a server that is restarted. */

import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { shownAddress } from "../../src/queue/address-node.ts";
import { connect } from "../../src/queue/connection-node.ts";
import { scoreOn } from "../../src/queue/score-on.ts";
import { secateur } from "../cli/support.ts";
import { startWorker } from "../support/processes.ts";
import { hasPostgres, password, startPostgres } from "../support/servers.ts";
import { alone, bitsOf, coordinate, model, options } from "./support.ts";

vi.setConfig({ testTimeout: 60_000 });
const onNote = (): void => undefined;

describe.skipIf(!hasPostgres)("scores through a queue on PostgreSQL", () => {
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
