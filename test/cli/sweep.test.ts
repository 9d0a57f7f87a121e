/** Many prunings side by side: which runs there are, what they come to, and that a sweep goes on after kill -9. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRuns, runsOf } from "../../src/cli/sweep/grid.ts";
import { bestOf, csvOf, frontOf, type SweepRow } from "../../src/report/sweep.ts";
import { laws } from "../support/laws.ts";
import { run, start } from "../support/processes.ts";
import { fourRuns, rowsIn as rowsOf } from "../support/sweeps.ts";
import { openWorkshop, secateur, trainDigits } from "./support.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;
afterAll(() => workshop.remove());

describe("the runs of a sweep", () => {
  it("are every combination of what is given several times", () => {
    const runs = runsOf({ data: ["mnist:x"], macs: ["0.7", "50%", "0.7"], seed: ["0", "1"], flip: true }, [{}]);
    expect(runs.map(({ name }) => name)).toEqual([
      "1_macs-0.7_seed-0",
      "2_macs-0.7_seed-1",
      "3_macs-50_seed-0",
      "4_macs-50_seed-1",
    ]);
    expect(runs[2]!.varied).toEqual({ macs: "50%", seed: "0" });
    expect(runs[2]!.words).toEqual(["--macs", "50%", "--data", "mnist:x", "--seed", "0", "--flip"]);
  });

  it("do not vary what one run takes several of", () => {
    const runs = runsOf({ data: ["mnist:x"], keep: ["a", "b"], macs: ["0.5"] }, [{}]);
    expect(runs.map(({ name, words }) => [name, words])).toEqual([
      ["1", ["--macs", "0.5", "--data", "mnist:x", "--keep", "a", "--keep", "b"]],
    ]);
  });

  it("come from a file too, as a list or as a grid", async () => {
    const list = await readRuns(write("list.json", '[{"macs": 0.5, "criterion": "oracle"}, {"params": "40%"}]'));
    expect(runsOf({ seed: ["1"] }, list).map(({ varied }) => varied)).toEqual([
      { macs: "0.5", criterion: "oracle" },
      { params: "40%" },
    ]);
    const grid = await readRuns(write("grid.json", '{"macs": [0.7, 0.5], "seed": [0, 1], "epochs": 2}'));
    expect(runsOf({}, grid).map(({ name }) => name)).toEqual([
      "1_macs-0.7_seed-0",
      "2_macs-0.7_seed-1",
      "3_macs-0.5_seed-0",
      "4_macs-0.5_seed-1",
    ]);
  });

  it.each([
    ['[{"mac": 0.5}]', 'a sweep cannot vary "mac" (did you mean "macs"?)'],
    ['[{"output": "x"}]', 'a sweep cannot vary "output"'],
    ['[{"criterion": "best"}]', 'criterion is "best". Allowed choices are'],
    ['[{"macs": [0.5, 0.7]}]', "macs of run 1 is a list"],
    ["[]", "lists no runs"],
    ["7", "the grid must be an object of options"],
    ["{", "is not JSON"],
  ])("are refused where a file says %s", async (text, message) => {
    await expect(readRuns(write("wrong.json", text))).rejects.toThrow(message);
  });
});

const row = (run: string, macs: number, value: number, more: Partial<SweepRow> = {}): SweepRow => ({
  run,
  varied: { macs: String(macs) },
  end: "met",
  removals: 1,
  units: 2,
  params: 3,
  macs,
  bytes: 4,
  macsShare: macs / 10,
  paramsShare: 1,
  before: { name: "top1", better: "higher", value: 0.9 },
  after: { name: "top1", better: "higher", value },
  model: `${run}.onnx`,
  ...more,
});

describe("what a sweep comes to", () => {
  const rows = [row("a", 5, 0.8), row("b", 5, 0.85), row("c", 7, 0.84), row("d", 9, 0.9), row("e", 3, 0.1)];

  it("the front holds what no other run beats", () => {
    expect(frontOf(rows, ({ macs }) => macs).map(({ run }) => run)).toEqual(["e", "b", "d"]);
    const losses = rows.map((one) => ({ ...one, after: { ...one.after!, name: "loss", better: "lower" } as const }));
    expect(frontOf(losses, ({ macs }) => macs).map(({ run }) => run)).toEqual(["e"]);
    expect(frontOf(rows, () => undefined)).toEqual([]);
  });

  it("the best of each budget is of runs that met it", () => {
    const missed = row("f", 7, 0.99, { end: "exhausted" });
    expect(bestOf([...rows, missed]).map(({ budget, row: { run } }) => [budget, run])).toEqual([
      ["macs 5", "b"],
      ["macs 7", "c"],
      ["macs 9", "d"],
      ["macs 3", "e"],
    ]);
  });

  it("CSV quotes what has to be", () => {
    const text = csvOf([row("a", 5, 0.8, { varied: { macs: '1,"2"' } })], ["macs"], {});
    expect(text).toContain("run,--macs,end,removals,units,params,macs,");
    expect(text.split("\n")[1]).toBe('a,"1,""2""",met,1,2,3,5,4,top1,0.9,0.8,,a.onnx,');
  });
});

describe("on the command line", () => {
  const rowsIn = (dir: string): string[] => rowsOf(folder, dir);
  const words = (dir: string, ...more: string[]): string[] => fourRuns(folder, dir, "--at-once", "2", ...more);

  beforeAll(() => trainDigits(workshop, "net.onnx", "trained.onnx"), 300_000);

  it("a sweep that was killed goes on, and comes to the same rows", { ...laws, timeout: 900_000 }, async () => {
    const whole = await run(words("whole"), folder);
    expect([whole.code, whole.out.trim().split("\n").length]).toEqual([0, 5]);
    const { child, ended } = start(words("killed"), folder);
    const locks = (): string[] =>
      existsSync(at("killed"))
        ? readdirSync(at("killed")).filter((name) => name.endsWith(".run") && existsSync(at(`killed/${name}/lock`)))
        : [];
    while (locks().length === 0 && child.exitCode === null) await wait(20);
    const pid = Number(readFileSync(at(`killed/${locks()[0]!}/lock`), "utf8"));
    process.kill(pid, "SIGKILL");
    child.kill("SIGKILL");
    await ended();
    expect(existsSync(at("killed/runs.csv"))).toBe(false);
    const again = await run(words("killed", "--json"), folder);
    expect(again.code, again.err).toBe(0);
    expect(
      again.out
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as SweepRow).run)
        .toSorted(),
    ).toEqual(
      rowsIn("whole")
        .slice(1, 5)
        .map((line) => line.split(",")[0]),
    );
    expect(rowsIn("killed")).toEqual(rowsIn("whole"));
    for (const name of readdirSync(at("whole")).filter((file) => file.endsWith(".onnx")))
      expect(readFileSync(at(`killed/${name}`)).equals(readFileSync(at(`whole/${name}`))), name).toBe(true);
    expect(readFileSync(at("whole/report.html"), "utf8")).toContain("The best of each budget");
    const other = await run(words("killed", "--seed", "5"), folder);
    expect([other.code, other.err]).toEqual([2, expect.stringContaining("killed holds another sweep: it has no run")]);
  });

  it("--dry-run writes nothing, and says how many runs there are", { ...laws, timeout: 300_000 }, async () => {
    const { code, out } = await run(words("dry", "--dry-run"), folder);
    expect([code, out]).toEqual([0, expect.stringMatching(/^4 runs, 2 at once with 1 thread each: about \d+ (s|min)/)]);
    expect(existsSync(at("dry"))).toBe(false);
  });

  it("refuses a value that is none, and a folder that is no sweep", async () => {
    const wrong = await secateur(["sweep", at("trained.onnx"), "--macs", "7", "-o", at("x")]);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("Did you mean 7 %")]);
    const given = ["sweep", at("trained.onnx"), "--data", `mnist:${folder}`, "--macs", "0.5", "-o", folder];
    const there = await secateur(given);
    expect([there.code, there.err]).toEqual([2, expect.stringContaining("is there and is no sweep")]);
  });
});
