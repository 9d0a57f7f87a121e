/** prune --dry-run: what it says of a pruning is what the pruning does, and it writes nothing. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { timeBeginning } from "../../src/cli/beginning.ts";
import { measureSlices } from "../../src/cli/slices.ts";
import { cachedStore } from "../../src/distribute/cached-store-node.ts";
import { folderPlace } from "../../src/distribute/folder-store-node.ts";
import { openStore } from "../../src/distribute/store.ts";
import type { ScheduleEvent } from "../../src/jobs/prune-events.ts";
import { arrayDataset, load, prune } from "../../src/node.ts";
import { machinesOn } from "../../src/queue/machines-on.ts";
import { threadsExecutor } from "../../src/queue/threads-node.ts";
import { defaultRuntime } from "../../src/runtime/default.ts";
import { random } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";
import { digitsIn, openWorkshop, secateur, writeDigits } from "./support.ts";

const workshop = openWorkshop();
const { at } = workshop;
const folder = mkdtempSync(join(tmpdir(), "secateur-dry-"));
afterAll(() => {
  workshop.remove();
  rmSync(folder, { recursive: true, force: true });
});

const model = await load(new URL("../fixtures/nets/residual-conv.onnx", import.meta.url).pathname);
const next = random(1);
const data = arrayDataset({
  name: "drawn",
  inputs: {
    "": { dtype: "float32", shape: [40, 3, 9, 9], data: Float32Array.from({ length: 40 * 243 }, () => next() * 2 - 1) },
  },
  target: { dtype: "int64", shape: [40], data: BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i % 5)) },
});
const common = { data, batchSize: 4, threads: 1, seed: 7, labelsAreRight: true, learningRate: 0.02 } as const;
const pruning = {
  ...common,
  budget: { macs: 0.7 },
  schedule: { kind: "one-shot", removals: 1 },
  every: 6,
  pruneLearningRate: 0.01,
  epochs: 1,
  averageEvery: 2,
} as const;

describe("what a pruning will take", () => {
  it("is measured by its beginning, which ends with the first removal", laws, async () => {
    const { signal } = new AbortController();
    const many = { ...common, budget: { macs: 0.4 }, unitsPerStep: 2, every: 3, pruneLearningRate: 0.01, epochs: 2 };
    let real: ScheduleEvent | undefined;
    await prune(model, { ...many, onEvent: (event) => void (event.kind === "schedule" && (real = event)) });
    const { schedule, before, removal, step, seconds } = await timeBeginning(model, { ...many, signal });
    expect(schedule).toEqual(real);
    expect(schedule!.tuningSteps).toBe(20);
    expect(Math.min(before, removal, step)).toBeGreaterThan(0);
    expect(seconds).toBeCloseTo(before + schedule!.removals * removal + 20 * step, 9);
    // A search fine-tunes several times.
    const search = await timeBeginning(model, { ...many, budget: {}, maxDrop: 5, validation: data, signal });
    const { tries, removals: most, tuningSteps } = search.schedule!;
    expect(tries).toBeGreaterThan(1);
    expect(search.seconds).toBeCloseTo(search.before + most * search.removal + tries! * tuningSteps! * search.step, 9);
    const nothing = await timeBeginning(model, { ...many, maxLoss: 1e-9, signal });
    expect(nothing.step).toBe(0);
    expect(nothing.schedule).toBeUndefined();
  });

  it("of a queue are the jobs that there are, and about the bytes", laws, async () => {
    const { signal } = new AbortController();
    const slices = measureSlices(defaultRuntime(), 2, { threads: 1 });
    const { schedule } = await timeBeginning(model, { ...pruning, signal, learners: slices });
    const found = slices.of(schedule!, 2 * pruning.averageEvery);
    // 6 minibatches by two, then 10 in rounds of four: two whole rounds, and one of two.
    expect(found.jobs).toBe(2 + 2 * 2 + 2);
    expect(Math.min(found.first, found.byAll)).toBeGreaterThan(0);
    expect(found.byOne).toBeGreaterThan(found.byAll);

    let written = 0;
    const place = folderPlace(join(folder, "store"));
    const store = openStore({
      ...place,
      async write(path, bytes) {
        if (path.startsWith("blobs")) written += bytes.length;
        await place.write(path, bytes);
      },
    });
    await using executor = threadsExecutor(cachedStore(store, join(folder, "cache"), 1e9), {
      atOnce: 2,
      threads: 1,
      patience: 60,
    });
    let jobs = 0;
    await using machines = machinesOn(executor, { count: 2 });
    const learners = { count: 2, run: (task: Parameters<typeof machines.run>[0]) => (jobs++, machines.run(task)) };
    await prune(model, { ...pruning, learners });
    expect(jobs).toBe(found.jobs);
    expect(found.bytes).toBeGreaterThanOrEqual(written);
    expect(found.bytes).toBeLessThan(1.5 * written);
  });
});

describe("prune --dry-run", () => {
  beforeAll(async () => {
    writeDigits(workshop);
    await secateur(["new", "lenet5", "--seed", "1", "-o", at("net.onnx")]);
  });
  const words = (...more: string[]): string[] => [
    "prune",
    at("net.onnx"),
    ...digitsIn(workshop.folder),
    ..."--dry-run --labels-are-right".split(" "),
    ..."--macs 0.5 --every 3 --prune-learning-rate 0.01 --learning-rate 0.01 --epochs 2".split(" "),
    ...more,
  ];

  it("says how many removals, steps and minutes there are, and writes nothing", async () => {
    const before = readdirSync(workshop.folder);
    const { code, out, err } = await secateur(words("-o", at("small.onnx")));
    expect([code, err]).toEqual([0, expect.not.stringContaining("error")]);
    expect(out).toMatch(
      /^about \d+ removals, one after every 3 minibatches: \d+ steps, .* of the data; then 2 epochs of fine-tuning, 20 steps: about \d+ (s|min)\n$/,
    );
    expect(readdirSync(workshop.folder)).toEqual(before);
    const json = JSON.parse((await secateur(words("--json"))).out) as Record<string, number>;
    expect(json).toMatchObject({ every: 3, steps: 3 * json["removals"]!, epochs: 2, tuningSteps: 20 });
    expect(json["minutes"]).toBeGreaterThan(0);
    expect(existsSync(at("small.run"))).toBe(false);
  });

  it("of a queue says how many jobs and bytes there are, and asks no server", laws, async () => {
    const queue = ["--machines", "2", "--average-every", "5", "--queue", "redis://127.0.0.1:1", "--store", at("store")];
    const { code, out, err } = await secateur(words(...queue));
    expect(code, err).toBe(0);
    expect(out).toMatch(
      /: \d+ jobs, and at most [\d.]+ [kM] bytes through the store; about \d+ (s|min) with one worker .*, \d+ (s|min) with 2\n$/,
    );
    const json = JSON.parse((await secateur(words(...queue, "--json"))).out) as Record<string, number>;
    // Every interval has two slices of its minibatches, and so has each of the two rounds of ten.
    expect(json["jobs"]).toBe(2 * json["removals"]! + 4);
    expect(json["minutes"]).toBeGreaterThan(json["minutesByAll"]!);
    expect(existsSync(at("store"))).toBe(false);
  });

  it("is for what begins, and not for a run that goes on", async () => {
    const { code, err } = await secateur(["prune", "--resume", at("x.run"), "--dry-run"]);
    expect([code, err]).toEqual([2, expect.stringContaining("takes no --dry-run besides")]);
  });
});
