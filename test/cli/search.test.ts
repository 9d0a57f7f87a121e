/** The search for the smallest model that loses little enough. */

import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mostThatFit } from "../../src/jobs/search.ts";
import { openWorkshop, secateur, digitsIn, trainDigits } from "./support.ts";
import { laws } from "../support/laws.ts";

const workshop = openWorkshop();
const { folder, at } = workshop;
const digits = digitsIn(folder);

beforeAll(async () => {
  await trainDigits(workshop, "net.onnx", "trained.onnx");
});
afterAll(() => workshop.remove());

const line = (output: string, ...more: string[]) => [
  "prune",
  at("trained.onnx"),
  ...digits,
  ..."--every 1 --units-per-step 20 --epochs 1 --checkpoint-every 0".split(" "),
  ...more,
  "-o",
  at(output),
];

describe("halving", () => {
  it.each([
    [10, 0],
    [10, 1],
    [10, 7],
    [10, 10],
    [1, 1],
    [0, 0],
  ])("finds of %i removals that %i fit, and looks at few", async (count, most) => {
    const seen: number[] = [];
    const found = await mostThatFit(count, new Map(), async (removals) => {
      seen.push(removals);
      return removals <= most;
    });
    expect(found).toBe(most);
    expect(seen.length).toBeLessThanOrEqual(Math.ceil(Math.log2(count + 1)));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it("does not look again at what is known", async () => {
    const tried = new Map([
      [5, true],
      [8, false],
    ]);
    const seen: number[] = [];
    await mostThatFit(10, tried, async (removals) => seen.push(removals) > 0 && removals <= 6);
    expect(seen).toEqual([6, 7]);
  });
});

interface Search {
  readonly kind: string;
  readonly removals: number;
  readonly drop: number;
  readonly fits: boolean;
  readonly dropInterval: { readonly low: number; readonly high: number };
}
const searched = (run: string): Search[] =>
  readFileSync(at(`${run}/events.jsonl`), "utf8")
    .split("\n")
    .filter((text) => text.includes('"kind":"search"'))
    .map((text) => JSON.parse(text) as Search);

describe("--max-drop", () => {
  it("ends with the smallest model that was found to fit, after a stop too", laws, async () => {
    const { code, out, err } = await secateur(line("small.onnx", "--max-drop", "5", "--json"));
    expect([
      code,
      /^the model of \d.* % of the MACs \(\d+ removals?\) (loses|gains) [\d.]+ points of top-1 \(.*\): (little enough|too much)(, as far as so few samples tell)?$/m.test(
        err,
      ),
    ]).toEqual([0, true]);
    const result = JSON.parse(out);
    const tries = searched("small.run");
    const fitting = tries.filter(({ fits }) => fits).map(({ removals }) => removals);
    expect(tries.length).toBeGreaterThan(1);
    for (const { drop, fits, dropInterval } of tries) {
      expect(fits).toBe(drop <= 5);
      expect(dropInterval.low < drop && drop < dropInterval.high).toBe(true);
    }
    const [, most] = /^try 1 of at most (\d+): the model of [\d.]+ % of the MACs/m.exec(err)!;
    expect(tries.length).toBeLessThanOrEqual(Number(most));
    expect(result).toMatchObject({ end: "met", removals: Math.max(...fitting) });
    expect(result.after.macs).toBeLessThan(result.before.macs);
    expect(existsSync(at("small.run/points"))).toBe(false);

    const abort = new AbortController();
    const stopped = await secateur(line("again.onnx", "--max-drop", "5"), abort.signal, (text) => {
      if (/(loses|gains) .* points of top-1/.test(text)) abort.abort();
    });
    expect(stopped.code).toBe(130);
    expect(existsSync(at("again.run/points/0001.safetensors"))).toBe(true);
    expect((await secateur(["prune", "--resume", at("again.run")])).code).toBe(0);
    expect(readFileSync(at("again.onnx")).equals(readFileSync(at("small.onnx")))).toBe(true);
    const [proof, before] = ["again", "small"].map(
      (run) => JSON.parse(readFileSync(at(`${run}.run/summary.json`), "utf8")).proof,
    );
    expect(proof).toEqual(before);
    expect(proof.difference).toBeLessThan(1e-4);
  });

  it("goes no further than a budget", async () => {
    const { out } = await secateur(line("budget.onnx", "--max-drop", "90", "--macs", "0.8", "--json"));
    const { before, after } = JSON.parse(out);
    expect(after.macs / before.macs).toBeGreaterThan(0.6);
    expect(after.macs / before.macs).toBeLessThanOrEqual(0.8);
  });

  it("leaves the model as it was where nothing smaller fits, with exit code 1", async () => {
    // Fine-tuning at such a rate ruins whatever is left.
    const { code, out, err } = await secateur(
      line("none.onnx", "--max-drop", "0.5", "--learning-rate", "1e-9", "--prune-learning-rate", "2", "--json"),
    );
    const { end, removals, before, after } = JSON.parse(out);
    expect([code, end, removals]).toEqual([1, "exhausted", 0]);
    expect(after.macs).toBe(before.macs);
    expect(err).toContain("no smaller model was found that loses at most 0.5 points");
  });

  it("needs data that can be cut into parts", async () => {
    workshop.write("data.mjs", "export default function* () {}");
    const module = ["--data", `module:${at("data.mjs")}`];
    const { code, err } = await secateur([
      "prune",
      at("trained.onnx"),
      ...module,
      "--max-drop",
      "1",
      "-o",
      at("x.onnx"),
    ]);
    expect([code, err]).toEqual([2, expect.stringContaining("cannot be cut into parts")]);
  });
});
