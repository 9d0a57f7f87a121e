/** A run is told of as soon as it begins, before there is anything to go on from. */

import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunEvent } from "../../src/report/record.ts";
import { createRun, type Run } from "../../src/report/run-node.ts";
import type { ListedRun } from "../../src/serve/runs-node.ts";
import type { Studio } from "../../src/serve/server-node.ts";
import { config, smallRecords } from "../report/small-run.ts";
import { askJson, listen, openPlace, writeRun } from "./support.ts";

const place = openPlace();
let studio: Studio;
beforeAll(async () => {
  studio = await place.serve();
});
afterAll(() => place[Symbol.asyncDispose]());

// What a removal tells is more than its record has.
const records = smallRecords().filter(({ kind }) => kind !== "removal");
const now = { ...config, started: "2026-05-05T05:05:05.000Z" };
const tell = (run: Run, from: number, to: number): void => {
  for (const { time, ...event } of records.slice(from, to)) run.tell(event as unknown as RunEvent, time);
};
const find = async (name: string): Promise<ListedRun | undefined> =>
  (await askJson<ListedRun[]>(studio, "/api/runs")).find((run) => run.name === name);

describe("a run that begins", () => {
  it("is listed with what it has told, which stays where it is when there is a checkpoint", async () => {
    await using run = await createRun(place.at("runs/new.run"), now, false);
    expect(await find("new.run")).toMatchObject({ state: "running", started: now.started });
    const { id } = (await find("new.run"))!;
    using stream = listen(studio, `/api/runs/${id}/events`);
    tell(run, 0, 2);
    await stream.until((all) => all.filter(({ event }) => event === "message").length === 2);
    expect(await find("new.run")).toMatchObject({ last: records[1]!.time });
    expect(await askJson(studio, `/api/runs/${id}`)).toMatchObject({ config: { started: now.started }, summary: null });
    await run.save([]);
    tell(run, 2, 4);
    const all = await stream.until((sent) => sent.filter(({ event }) => event === "message").length === 4);
    expect(all.map(({ event }) => event).filter((event) => event !== "message")).toEqual(["state"]);
    expect(await find("new.run")).toMatchObject({ id, state: "running", last: records[3]!.time });
  });

  it("leaves nothing behind where it fails before", async () => {
    {
      await using run = await createRun(place.at("runs/deep/er/lost.run"), now, false);
      tell(run, 0, 1);
      expect(existsSync(place.at("runs/deep/er/lost.run"))).toBe(true);
    }
    expect(existsSync(place.at("runs/deep"))).toBe(false);
    expect(existsSync(place.at("runs"))).toBe(true);
  });

  it("stands in the place of an earlier one, whose record is there until it has a checkpoint", async () => {
    const events = writeRun(place, "runs/again.run", { output: "small.onnx" });
    const old = readFileSync(events);
    const { id } = (await find("again.run"))!;
    {
      await using run = await createRun(place.at("runs/again.run"), now, false);
      tell(run, 0, 1);
      const listed = await find("again.run");
      expect(listed).toMatchObject({ id, state: "running", started: now.started, last: records[0]!.time });
      expect(listed).not.toHaveProperty("figures");
      using stream = listen(studio, `/api/runs/${id}/events`);
      expect((await stream.until((all) => all.length >= 2)).map(({ event }) => event)).toEqual(["message", "state"]);
    }
    expect(readFileSync(events).equals(old)).toBe(true);
    expect(await find("again.run")).toMatchObject({ id, state: "ended", figures: { end: "met" } });
    await using run = await createRun(place.at("runs/again.run"), now, false);
    await run.save([]);
    expect(readFileSync(events, "utf8")).toBe("");
    expect(existsSync(place.at("runs/again.run/summary.json"))).toBe(false);
  });

  it("is not told of when its process was killed, and leaves the folder to another", async () => {
    place.write("runs/killed.run/beginning.json", JSON.stringify(now));
    place.write("runs/killed.run/beginning.jsonl", "{}\n");
    place.write("runs/killed.run/lock", "999999999");
    expect(await find("killed.run")).toBeUndefined();
    await using run = await createRun(place.at("runs/killed.run"), now, false);
    tell(run, 0, 1);
    await run.save([]);
    expect(await find("killed.run")).toMatchObject({ last: records[0]!.time });
    expect(existsSync(place.at("runs/killed.run/beginning.json"))).toBe(false);
  });
});
