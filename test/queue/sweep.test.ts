/** Sweeps by worker processes and a real server: the rows and the models of this machine, whatever gets lost. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openWorkshop, trainDigits } from "../cli/support.ts";
import { laws } from "../support/laws.ts";
import { hasServer, startServer, startWorker } from "../support/redis.ts";

vi.setConfig({ testTimeout: 900_000 });

const workshop = openWorkshop();
const { folder, at } = workshop;
const main = join(import.meta.dirname, "../../dist/cli/main.js");
afterAll(() => workshop.remove());

const words = (dir: string, ...more: string[]): string[] => [
  ..."sweep trained.onnx --batch-size 32 --epochs 1 --learning-rate 0.01 --prune-learning-rate 0.01".split(" "),
  ..."--threads 1 --macs 0.7 --macs 0.4 --criterion taylor-fo --criterion magnitude --crop 2".split(" "),
  "--data",
  `mnist:${folder}`,
  "-o",
  dir,
  ...more,
];

/** One run, of many removals. */
const longRun = (dir: string, ...more: string[]): string[] => [
  ..."sweep trained.onnx --batch-size 16 --epochs 1 --learning-rate 0.01 --prune-learning-rate 0.01".split(" "),
  ...`--threads 1 --macs 0.3 --units-per-step 4 --data mnist:${folder} -o ${dir}`.split(" "),
  ...more,
];

const start = (...argv: string[]) => {
  const child = spawn(process.execPath, [main, ...argv], { cwd: folder, env: { ...process.env, NO_COLOR: "1" } });
  const said = { out: "", err: "" };
  child.stdout.on("data", (text) => (said.out += String(text)));
  child.stderr.on("data", (text) => (said.err += String(text)));
  return { child, said, ended: once(child, "exit") as Promise<[number | null]> };
};
const run = async (...argv: string[]) => {
  const { said, ended } = start(...argv);
  return { code: (await ended)[0], ...said };
};

/** All but the latencies, and where files lie. */
const rowsIn = (dir: string): string[] =>
  readFileSync(at(`${dir}/runs.csv`), "utf8")
    .replaceAll(`${dir}/`, "")
    .split("\n")
    .map((line) => line.split(",").toSpliced(-3, 1).join(","));
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

describe.skipIf(!hasServer)("a sweep through a queue", () => {
  beforeAll(() => trainDigits(workshop, "net.onnx", "trained.onnx"), 300_000);

  it("comes to the rows, models and records of this machine, although a worker is killed", laws, async () => {
    const secret = "s3same";
    await using server = await startServer(["--requirepass", secret], secret);
    const store = join(server.folder, "store");
    const onQueue = ["--queue", server.url, "--store", store, "--cache", join(server.folder, "cache")];
    const here = await run(...words("here", "--at-once", "2"));
    expect(here.code, here.err).toBe(0);
    await using first = startWorker(server, "first");
    const sweep = start(...words("there", ...onQueue));
    await first.saying(/run \S+ taken/);
    first.child.kill("SIGKILL");
    await first.ended();
    await using one = startWorker(server, "one");
    await using two = startWorker(server, "two");
    const [code] = await sweep.ended;
    expect(code, sweep.said.err).toBe(0);
    expect(sweep.said.err).toMatch(/gives no sign of life/);
    for (const worker of [one, two]) expect(worker.said()).toMatch(/run \S+ done in/);
    expect(rowsIn("there")).toEqual(rowsIn("here"));
    const models = readdirSync(at("here")).filter((file) => file.endsWith(".onnx"));
    expect(models).toHaveLength(4);
    for (const name of models) {
      expect(readFileSync(at(`there/${name}`)).equals(readFileSync(at(`here/${name}`))), name).toBe(true);
      const of = name.replace(".onnx", "");
      expect(recordIn("there", of), name).toEqual(recordIn("here", of));
    }
    expect(existsSync(at("there/report.html"))).toBe(true);
    for (const file of allFilesIn("there")) expect(readFileSync(file).includes(secret), file).toBe(false);
    // What is in the store is not done again.
    const again = await run(...words("again", ...onQueue));
    expect([again.code, rowsIn("again")]).toEqual([0, rowsIn("here")]);
    for (const name of models)
      expect(readFileSync(at(`again/${name.replace(".onnx", ".log")}`), "utf8")).toMatch(/ known\n$/);
  });

  it("goes on from the last removal of a worker that was killed, and comes to the same", laws, async () => {
    await using server = await startServer();
    const store = join(server.folder, "store");
    const here = await run(...longRun("once"));
    expect(here.code, here.err).toBe(0);
    await using first = startWorker(server, "first");
    const sweep = start(
      ...longRun("taken-over", "--queue", server.url, "--store", store, "--cache", join(server.folder, "cache")),
    );
    await first.saying(/run 1 taken/);
    // Until all is done, a checkpoint is all that lies there.
    while (keptIn(store, "results").length === 0) await wait(5);
    first.child.kill("SIGKILL");
    await first.ended();
    const killed = new Date().toISOString();
    expect(first.said()).not.toMatch(/done in/);
    await using second = startWorker(server, "second");
    const [code] = await sweep.ended;
    expect(code, sweep.said.err).toBe(0);
    expect(second.said()).toMatch(/run 1 goes on from a checkpoint/);
    expect(rowsIn("taken-over")).toEqual(rowsIn("once"));
    expect(readFileSync(at("taken-over/1.onnx")).equals(readFileSync(at("once/1.onnx")))).toBe(true);
    // What the first worker had done was done once, and was told by it.
    const events = readFileSync(at("taken-over/1.run/events.jsonl"), "utf8")
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
