/** The record of a run, read while it is written. */

import { appendFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RunRecord } from "../../src/report/record.ts";
import type { ListedRun } from "../../src/serve/runs-node.ts";
import type { Studio } from "../../src/serve/server-node.ts";
import { smallRecords, summary } from "../report/small-run.ts";
import { ask, askJson, lines, listen, openPlace, writeRun, type Sent } from "./support.ts";

const place = openPlace();
const records = smallRecords();
let studio: Studio;
let events: string;
let path: string;
let count = 0;

beforeAll(async () => {
  studio = await place.serve();
});
afterAll(() => place[Symbol.asyncDispose]());
beforeEach(async () => {
  const name = `${++count}.run`;
  events = writeRun(place, `runs/${name}`, { records: records.slice(0, 3), pid: process.pid });
  const listed = await askJson<ListedRun[]>(studio, "/api/runs");
  path = `/api/runs/${listed.find((run) => run.name === name)!.id}/events`;
});

const told = (all: readonly Sent[]): Sent[] => all.filter(({ event }) => event === "message");
const kinds = (all: readonly Sent[]): string[] => told(all).map(({ data }) => (data as RunRecord).kind);
const finish = (): void => writeFileSync(events.replace("events.jsonl", "summary.json"), JSON.stringify(summary));

describe("events", () => {
  it("come as they are written, and end with the run", async () => {
    using stream = listen(studio, path);
    const first = await stream.until((all) => all.length === 4);
    expect(told(first).map(({ data }) => data)).toEqual(JSON.parse(JSON.stringify(records.slice(0, 3))));
    expect(first[3]).toEqual({ event: "state", id: undefined, data: { state: "running" } });
    for (const [i, record] of records.slice(3, 6).entries()) {
      appendFileSync(events, lines([record]));
      await stream.until((all) => told(all).length === 4 + i);
    }
    appendFileSync(events, lines(records.slice(6)));
    finish();
    const all = await stream.until((sent) => sent.at(-1)!.event === "end");
    expect(kinds(all)).toEqual(records.map(({ kind }) => kind));
    expect(all.at(-2)).toMatchObject({ event: "state", data: { state: "ended" } });
    await stream.closed;
  });

  it("go on behind the last one that is known", async () => {
    using first = listen(studio, path);
    const known = (await first.until((all) => told(all).length === 3))[1]!.id!;
    using again = listen(studio, path, { headers: { "last-event-id": known } });
    expect(kinds(await again.until((all) => all.length === 2))).toEqual([records[2]!.kind]);
    using byQuery = listen(studio, `${path}?token=${studio.token}&after=${known}`, { token: null });
    expect(kinds(await byQuery.until((all) => all.length === 2))).toEqual([records[2]!.kind]);
    finish();
    await again.until((all) => all.at(-1)!.event === "end");
  });

  it.each(["nonsense", "999999-10-abc", "50-50-0", "10-20-a", "-1-1-0", "50-999999999-0"])(
    "begin anew for a place that is none: %s",
    async (id) => {
      using stream = listen(studio, path, { headers: { "last-event-id": id } });
      const all = await stream.until((sent) => told(sent).length === 3);
      expect(all[0]).toEqual({ event: "restart", id: "", data: {} });
    },
  );

  it("wait for the rest of a line that is half written", async () => {
    const [half, rest] = [lines([records[3]!]).slice(0, 40), lines([records[3]!]).slice(40)];
    appendFileSync(events, half);
    using stream = listen(studio, path);
    await stream.until((all) => all.length === 4);
    appendFileSync(events, rest.slice(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(stream.all.length).toBe(4);
    appendFileSync(events, rest.slice(20));
    const all = await stream.until((sent) => sent.length === 5);
    expect(told(all)[3]!.data).toEqual(JSON.parse(JSON.stringify(records[3])));
  });

  it("tell of a line that is damaged, and go on", async () => {
    appendFileSync(events, "{ no json\n");
    appendFileSync(events, lines([records[3]!]));
    using stream = listen(studio, path);
    const all = await stream.until((sent) => told(sent).length === 4);
    const at = statSync(events).size - Buffer.byteLength(lines([records[3]!]));
    expect(all.filter(({ event }) => event === "damaged").map(({ data }) => data)).toEqual([
      { why: `the line of events.jsonl that ends at byte ${at} is no JSON` },
    ]);
  });

  it("are one line each, whatever ends lines elsewhere", async () => {
    appendFileSync(events, '{"time":"x",\r"kind":"phase","phase":"\u2028"}\n');
    using stream = listen(studio, path);
    const all = await stream.until((sent) => told(sent).length === 4);
    expect(told(all)[3]!.data).toEqual({ time: "x", kind: "phase", phase: "\u2028" });
  });

  it("are told anew where a run goes back to a checkpoint", async () => {
    using stream = listen(studio, path);
    const first = await stream.until((all) => all.length === 4);
    const kept = Number(first[1]!.id!.split("-")[0]);
    truncateSync(events, kept);
    const other = { ...records[4]!, time: "2026-02-02T02:02:02.000Z" };
    appendFileSync(events, lines([other, records[5]!, records[6]!]));
    const all = await stream.until((sent) => sent.length === 10);
    expect(all[4]).toEqual({ event: "restart", id: "", data: {} });
    expect(kinds(all.slice(5))).toEqual([0, 1, 4, 5, 6].map((i) => records[i]!.kind));
    // Who was away meanwhile is told the same.
    using away = listen(studio, path, { headers: { "last-event-id": first[2]!.id! } });
    expect((await away.until((sent) => sent.length > 4))[0]!.event).toBe("restart");
  });

  it("of several runs come in one stream, which says whose they are", async () => {
    const name = "other.run";
    writeRun(place, `runs/${name}`, { output: "x.onnx" });
    const listed = await askJson<ListedRun[]>(studio, "/api/runs");
    const [other, own] = [listed.find((run) => run.name === name)!.id, path.split("/")[3]!];
    const address = `/api/events?run=${own}&run=${other}&run=nothing`;
    using stream = listen(studio, address);
    const all = await stream.until((sent) => sent.length === records.length + 6);
    const of = (run: string): Sent[] => told(stream.all).filter(({ id }) => id!.startsWith(`${run} `));
    expect(kinds(of(other))).toEqual(records.map(({ kind }) => kind));
    expect(kinds(of(own))).toEqual(records.slice(0, 3).map(({ kind }) => kind));
    const others = all.filter(({ event }) => event === "state" || event === "end");
    expect(others.map(({ event, data }) => [event, data])).toEqual(
      expect.arrayContaining([
        ["state", { state: "running", run: own }],
        ["state", { state: "ended", run: other }],
        ["end", { run: other }],
      ]),
    );
    const last = of(own).at(-1)!.id!.replace(" ", "~");
    appendFileSync(events, lines([records[3]!]));
    await stream.until((sent) => told(sent).length === records.length + 4);
    const query = `run=${last}&run=${other}~x&token=${studio.token}`;
    using again = listen(studio, `/api/events?${query}`, { token: null });
    const more = await again.until((sent) => told(sent).length === records.length + 1);
    expect(more.filter(({ event }) => event === "restart").map(({ data }) => data)).toEqual([{ run: other }]);
    expect(kinds(more.filter(({ id }) => id?.startsWith(own)))).toEqual([records[3]!.kind]);
    for (const missing of ["/api/events?run=nothing", "/api/events", "/api/events/x"])
      expect((await ask(studio, missing)).status).toBe(404);
    expect((await ask(studio, address, { token: null })).status).toBe(401);
    finish();
    await stream.closed;
  });

  it("say that a run was stopped, and that it goes on", async () => {
    const lock = events.replace("events.jsonl", "lock");
    using stream = listen(studio, path);
    await stream.until((all) => all.length === 4);
    rmSync(lock);
    await stream.until((all) => all.length === 5);
    writeFileSync(lock, String(process.pid));
    const all = await stream.until((sent) => sent.length === 6);
    expect(all.slice(3).map(({ data }) => data)).toEqual([
      { state: "running" },
      { state: "stopped" },
      { state: "running" },
    ]);
  });

  it("of a long line and of many lines are whole", async () => {
    const long = { time: "t", kind: "phase", phase: "é".repeat(200_000) };
    const many = Array.from({ length: 20_000 }, (_, step) => ({ time: "t", kind: "step", step }));
    appendFileSync(events, [long, ...many].map((one) => `${JSON.stringify(one)}\n`).join(""));
    using stream = listen(studio, path);
    const all = told(await stream.until((sent) => told(sent).length === 20_004));
    expect(all[3]!.data).toEqual(long);
    expect(all.slice(4).map(({ data }) => (data as { step: number }).step)).toEqual(many.map(({ step }) => step));
  });

  it("have headers for who asks by HEAD", async () => {
    const { status, headers, bytes } = await ask(studio, path, { method: "HEAD" });
    expect([status, headers["content-type"], bytes.length]).toEqual([200, "text/event-stream; charset=utf-8", 0]);
  });

  it("end with the server", async () => {
    const own = await place.serve();
    using stream = listen(own, path);
    await stream.until((all) => all.length > 0).catch(() => {});
    await own[Symbol.asyncDispose]();
    await stream.closed;
  });
});
