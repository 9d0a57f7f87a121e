/** Sweeps by worker processes and a real server: the rows and the models of this machine, whatever gets lost. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openWorkshop, trainDigits } from "../cli/support.ts";
import { laws } from "../support/laws.ts";
import { run, start, startWorker } from "../support/processes.ts";
import { servers } from "../support/servers.ts";
import { fourRuns, rowsIn as rowsOf } from "../support/sweeps.ts";

vi.setConfig({ testTimeout: 900_000 });

const workshop = openWorkshop();
const { folder, at } = workshop;
afterAll(() => workshop.remove());

const rowsIn = (dir: string): string[] => rowsOf(folder, dir);
const words = (dir: string, ...more: string[]): string[] => fourRuns(folder, dir, "--crop", "2", ...more);

/** One run, of many removals. */
const longRun = (dir: string, ...more: string[]): string[] => [
  ..."sweep trained.onnx --batch-size 16 --epochs 1 --learning-rate 0.01 --prune-learning-rate 0.01".split(" "),
  ...`--threads 1 --macs 0.3 --units-per-step 4 --data mnist:${folder} -o ${dir}`.split(" "),
  ...more,
];

/** The record of a run but for times, and where it lies. */
const recordIn = (dir: string, name: string): unknown => {
  const lines = readFileSync(at(`${dir}/${name}.run/events.jsonl`), "utf8")
    .trim()
    .split("\n");
  const timeless = (text: string): string =>
    text
      .replaceAll(dir, "")
      .replaceAll(/"(time|seconds|milliseconds|samplesPerSecond)": ?("[^"]*"|[\d.e+-]+)/g, '"$1":0');
  const read = (file: string): string => timeless(readFileSync(at(`${dir}/${name}.run/${file}`), "utf8"));
  return {
    files: readdirSync(at(`${dir}/${name}.run`)).filter((file) => !file.startsWith("events.out")),
    plans: readdirSync(at(`${dir}/${name}.run/plans`)).map((plan) => read(`plans/${plan}`)),
    texts: ["summary.json", "kept.json", "plan.json"].map(read),
    options: { ...(JSON.parse(read("config.json")) as { options: object }).options },
    // A run that was taken over says so, and what it begins with once more.
    events: [...new Set(lines.map(timeless))].filter((line) => !line.includes('"kind":"resume"')),
  };
};
const allFilesIn = (dir: string): string[] =>
  readdirSync(at(dir), { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** The digests of what lies under a folder of a store. */
const keptIn = (store: string, kind: "blobs" | "results"): string[] =>
  existsSync(join(store, kind))
    ? readdirSync(join(store, kind), { recursive: true, encoding: "utf8" }).filter((path) => /[0-9a-f]{64}$/.test(path))
    : [];

describe.each(servers)("a sweep through a queue on $name", ({ name: on, start: startServer }) => {
  beforeAll(() => trainDigits(workshop, "net.onnx", "trained.onnx"), 300_000);

  it("comes to the rows, models and records of this machine, although a worker is killed", laws, async () => {
    await using server = await startServer({ isSecret: true });
    const store = join(server.folder, "store");
    const onQueue = ["--queue", server.url, "--store", store, "--cache", join(server.folder, "cache")];
    const here = await run(words(`here-${on}`, "--at-once", "2"), folder);
    expect(here.code, here.err).toBe(0);
    await using first = startWorker(server, "first");
    const sweep = start(words(`there-${on}`, ...onQueue), folder);
    await first.saying(/run \S+ taken/);
    first.child.kill("SIGKILL");
    await first.ended();
    await using one = startWorker(server, "one");
    await using two = startWorker(server, "two");
    const code = await sweep.ended();
    expect(code, sweep.said.err).toBe(0);
    expect(sweep.said.err).toMatch(/gives no sign of life/);
    for (const worker of [one, two]) expect(worker.said()).toMatch(/run \S+ done in/);
    expect(rowsIn(`there-${on}`)).toEqual(rowsIn(`here-${on}`));
    const models = readdirSync(at(`here-${on}`)).filter((file) => file.endsWith(".onnx"));
    expect(models).toHaveLength(4);
    for (const name of models) {
      expect(readFileSync(at(`there-${on}/${name}`)).equals(readFileSync(at(`here-${on}/${name}`))), name).toBe(true);
      const of = name.replace(".onnx", "");
      expect(recordIn(`there-${on}`, of), name).toEqual(recordIn(`here-${on}`, of));
    }
    expect(existsSync(at(`there-${on}/report.html`))).toBe(true);
    for (const file of allFilesIn(`there-${on}`)) expect(readFileSync(file).includes("s3same"), file).toBe(false);
    // What is in the store is not done again.
    const again = await run(words(`again-${on}`, ...onQueue), folder);
    expect([again.code, rowsIn(`again-${on}`)]).toEqual([0, rowsIn(`here-${on}`)]);
    for (const name of models)
      expect(readFileSync(at(`again-${on}/${name.replace(".onnx", ".log")}`), "utf8")).toMatch(/ known\n$/);
  });

  it("goes on from the last removal of a worker that was killed, and comes to the same", laws, async () => {
    await using server = await startServer();
    const store = join(server.folder, "store");
    const here = await run(longRun(`once-${on}`), folder);
    expect(here.code, here.err).toBe(0);
    await using first = startWorker(server, "first");
    const onQueue = ["--queue", server.url, "--store", store, "--cache", join(server.folder, "cache")];
    const sweep = start(longRun(`taken-over-${on}`, ...onQueue), folder);
    await first.saying(/run 1 taken/);
    // Until all is done, a checkpoint is all that lies there.
    while (keptIn(store, "results").length === 0) await wait(5);
    first.child.kill("SIGKILL");
    await first.ended();
    const killed = new Date().toISOString();
    expect(first.said()).not.toMatch(/done in/);
    await using second = startWorker(server, "second");
    const code = await sweep.ended();
    expect(code, sweep.said.err).toBe(0);
    expect(second.said()).toMatch(/run 1 goes on from a checkpoint/);
    expect(rowsIn(`taken-over-${on}`)).toEqual(rowsIn(`once-${on}`));
    expect(readFileSync(at(`taken-over-${on}/1.onnx`)).equals(readFileSync(at(`once-${on}/1.onnx`)))).toBe(true);
    // What the first worker had done was done once, and was told by it.
    const events = readFileSync(at(`taken-over-${on}/1.run/events.jsonl`), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { kind: string; time: string; step: number });
    const resumed = events.findIndex(({ kind }) => kind === "resume");
    expect(resumed).toBeGreaterThan(0);
    const before = events.slice(0, resumed);
    expect(before.filter(({ kind }) => kind === "removal").length).toBeGreaterThan(0);
    expect(before.every(({ time }) => time < killed)).toBe(true);
    const removals = events.filter(({ kind }) => kind === "removal").map(({ step }) => step);
    expect(removals).toEqual(removals.map((_, i) => i + 1));
    expect(keptIn(store, "results")).toHaveLength(1);
  });
});
