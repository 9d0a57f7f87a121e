/** secateur report, and the report that prune leaves behind. */

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRun } from "../../src/report/report-node.ts";
import { openWorkshop, secateur, writeDigits, type Ran } from "../cli/support.ts";
import { config, smallRecords, summary } from "./small-run.ts";

const workshop = openWorkshop();
const { folder, at } = workshop;

const isEvents = (name: string): boolean => name.startsWith("events.out.tfevents.");

/** Writes a run as it lies on the disk. */
function writeRun(name: string, lines: string, done: boolean): string {
  const dir = at(name);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  writeFileSync(join(dir, "events.jsonl"), lines);
  if (done) writeFileSync(join(dir, "summary.json"), JSON.stringify(summary));
  return dir;
}

const lines = smallRecords()
  .map((record) => `${JSON.stringify(record)}\n`)
  .join("");

async function succeed(words: readonly string[]): Promise<Ran> {
  const ran = await secateur(words);
  expect(ran.code, ran.err).toBe(0);
  return ran;
}

afterAll(() => workshop.remove());

describe("secateur report", () => {
  it("writes the page and the events into the run", async () => {
    const dir = writeRun("done.run", lines, true);
    const { out, err } = await succeed(["report", dir]);
    expect([out, err]).toEqual(["", `-> ${join(dir, "report.html")}, and events for TensorBoard -> ${dir}\n`]);
    expect(readFileSync(join(dir, "report.html"), "utf8")).toContain("from 400.00 k to 200.00 k");
    expect(readdirSync(dir).filter(isEvents)).toEqual(["events.out.tfevents.1767323045.secateur"]);
  });

  it("writes the page elsewhere where that is asked for", async () => {
    const dir = writeRun("other.run", lines, true);
    await succeed(["report", dir, "-o", at("page.html")]);
    expect(readFileSync(at("page.html"), "utf8")).toContain("from 400.00 k to 200.00 k");
    expect(readdirSync(dir)).not.toContain("report.html");
  });

  it("tells of a run that was killed in the middle of a line", async () => {
    const part = lines.slice(0, lines.indexOf('"kind":"pruned"'));
    const dir = writeRun("killed.run", part, false);
    await succeed(["report", dir]);
    expect(readFileSync(join(dir, "report.html"), "utf8")).toContain("it stands at removal 2, with 18 units left");
    const { summary, removals } = JSON.parse((await succeed(["report", dir, "--json"])).out);
    expect([summary, removals.length]).toEqual([null, 2]);
  });

  it("prints the summary and a row for each removal", async () => {
    const dir = writeRun("rows.run", lines, true);
    const { out, err } = await succeed(["report", dir, "--json"]);
    expect(err).toBe("");
    const printed = JSON.parse(out);
    expect(printed.summary).toEqual(summary);
    expect(printed.removals).toMatchObject([
      { step: 1, units: 24, macs: 300_000, params: 30_000, bytes: 120_000, loss: 0.5 },
      { step: 2, units: 18, macs: 200_000, evaluation: { top1: 0.875 } },
    ]);
    expect(printed.removals[0].removed).toEqual({ "conv1.weight": 1, "fc1.weight": 5 });
    expect(readdirSync(dir).toSorted()).toEqual(["config.json", "events.jsonl", "summary.json"]);
  });

  it.each([
    ["no run", (): string => folder, "is no run of secateur: it has no config.json"],
    [
      "a damaged line",
      () => writeRun("bad.run", `${lines}{"kind":\n`, true),
      "events.jsonl is damaged: line 13 is not",
    ],
    [
      "a damaged configuration",
      () => {
        const dir = writeRun("bad.run", lines, true);
        writeFileSync(join(dir, "config.json"), "{");
        return dir;
      },
      "config.json is damaged: it is not JSON",
    ],
    [
      "a run without a record",
      () => {
        const dir = writeRun("bad.run", lines, true);
        rmSync(join(dir, "events.jsonl"));
        return dir;
      },
      "events.jsonl: no such file or folder",
    ],
  ])("refuses %s", async (_, prepare, message) => {
    const { code, out, err } = await secateur(["report", prepare()]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
  });

  it("takes no file to write where it prints", async () => {
    const { code, err } = await secateur(["report", at("done.run"), "--json", "-o", at("page.html")]);
    expect([code, err]).toEqual([2, expect.stringContaining("--json")]);
  });
});

describe("secateur prune", () => {
  beforeAll(async () => {
    writeDigits(workshop);
    await succeed(["new", "lenet5", "--seed", "1", "-o", at("net.onnx")]);
  });

  it("leaves a report of what it did, and no other run's", async () => {
    const data = ["--data", `mnist:${folder}`, "--threads", "1", "--batch-size", "32"];
    const line = ["prune", at("net.onnx"), ...data, "--units", "0.9", "--every", "1", "--epochs", "1"];
    const { err } = await succeed([...line, "-o", at("small.onnx")]);
    const dir = at("small.run");
    expect(err).toContain(`how it came about -> ${join(dir, "report.html")}\n`);
    const { config, records, summary } = await readRun(dir);
    expect(summary).toMatchObject({ end: "met", output: at("small.onnx") });
    const first = records.find((record) => record.kind === "removal");
    expect(first!.groups.map(({ name }) => name)).toEqual(["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"]);
    for (const { leastSums, sum } of first!.groups) {
      expect(leastSums.toSorted((a, b) => a - b)).toEqual(leastSums);
      expect([leastSums.length, leastSums.at(-1)! <= sum]).toEqual([5, true]);
    }
    const page = readFileSync(join(dir, "report.html"), "utf8");
    expect(page).toContain("The budget was met.");
    expect(page).toContain(String(first!.groups[3]!.units));
    const events = readdirSync(dir).filter(isEvents);
    expect(events).toHaveLength(1);
    writeFileSync(join(dir, "events.out.tfevents.1.secateur"), "of a run that was here before");
    await succeed([...line, "-o", at("small.onnx")]);
    expect(readdirSync(dir).filter(isEvents)).toHaveLength(1);
    expect(readdirSync(dir)).not.toContain("events.out.tfevents.1.secateur");
    expect((await readRun(dir)).config.started > config.started).toBe(true);
  });
});
