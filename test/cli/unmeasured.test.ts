/** Runs without anything to measure accuracy on, or without accuracy: what is said of it, where, and what to do next. */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digitsIn, moduleText, openWorkshop, secateur, trainDigits, type Ran } from "./support.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;
const digits = digitsIn(folder);

beforeAll(async () => {
  await trainDigits(workshop, "new.onnx", "net.onnx");
  const training = moduleText({ target: "[0, 1, 2, 3, 4, 5, 6, 7]" });
  write("training.mjs", training.replace("function* () {", 'function* ({ split }) {\n  if (split === "test") return;'));
  write(
    "values.mjs",
    moduleText({ target: '{ dtype: "float32", shape: [8, 10], data: new Float32Array(80).fill(0.1) }' }),
  );
}, 60_000);
afterAll(() => workshop.remove());

const few = "--units 0.95 --every 1 --epochs 1 --labels-are-right".split(" ");
const pageOf = (run: string): string => readFileSync(at(`${run}/report.html`), "utf8").replaceAll(/\s+/g, " ");

describe("data without a test part", () => {
  let ran: Ran;
  beforeAll(async () => {
    const data = ["--data", `module:${at("training.mjs")}`, "--batch-size", "8", "--threads", "1"];
    ran = await secateur(["prune", at("net.onnx"), ...data, ...few, "-o", at("a.onnx")]);
  });
  const why = () => `${at("training.mjs")}: no batches; add batches to ${at("training.mjs")} for split "test"`;

  it("is said at the start and at the end, with what to add", () => {
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining(`no accuracy will be measured: ${why()}\n`)]);
    expect(ran.err.slice(-1200)).toContain(`no accuracy was measured: ${why()}\n-> `);
    expect(ran.err).not.toMatch(/top-1|loss +0/);
  });

  it("is said on the page and in the record", () => {
    expect(pageOf("a.run")).toContain(`No accuracy was measured: ${why().replaceAll('"', "&quot;")}.`);
    expect(JSON.parse(readFileSync(at("a.run/config.json"), "utf8")).unmeasured).toBe(why());
  });

  it("is compared on the training data instead", () =>
    expect(ran.err.trim().split("\n").at(-1)).toBe(
      `next: secateur compare ${at("net.onnx")} ${at("a.onnx")} --data module:${at("training.mjs")} --labels-are-right --split train --latency`,
    ));
});

describe("values instead of classes", () => {
  it("say that the loss was measured, in the table and on the page", async () => {
    const data = ["--data", `module:${at("values.mjs")}`, "--loss", "mse", "--batch-size", "8", "--threads", "1"];
    const { code, err } = await secateur(["prune", at("net.onnx"), ...data, ...few, "-o", at("b.onnx")]);
    expect(code).toBe(0);
    expect(err).toMatch(/^loss +\d.* +\d.* +[+-]\d/m);
    expect(err).not.toContain("top-1 ");
    expect(pageOf("b.run")).toContain(
      "There is no accuracy where the loss is mse: the loss was measured on 32 samples of test data.",
    );
  });
});

describe("data with a test part", () => {
  it("ends with the change, its interval, and two lines of what there is and what comes next", async () => {
    const { err } = await secateur(["prune", at("net.onnx"), ...digits, ...few, "-o", at("c.onnx")]);
    const lines = err.trim().split("\n");
    expect(lines.slice(-2)).toEqual([
      `-> ${at("c.onnx")}, and how it came about -> ${at("c.run/report.html")}`,
      `next: secateur compare ${at("net.onnx")} ${at("c.onnx")} --data mnist:${folder} --labels-are-right --latency`,
    ]);
    const share = String.raw`\d+ % \(\d+ to \d+ %\)`;
    expect(err).toMatch(new RegExp(`^top-1 +${share} +${share} +[+-]\\d+ points \\(-?\\d+ to -?\\d+\\)$`, "m"));
    const { drop, dropInterval, before, after } = JSON.parse(readFileSync(at("c.run/summary.json"), "utf8"));
    expect(drop).toBeCloseTo(100 * (before.evaluation.top1 - after.evaluation.top1), 6);
    expect(dropInterval.low < drop && drop < dropInterval.high).toBe(true);
    // What is told to be typed works.
    const words = lines.at(-1)!.split(" ").slice(2);
    const compared = await secateur([...words, "--rounds", "6", "--threads", "1", "--json"]);
    expect(compared.code).toBe(0);
    const { data } = JSON.parse(compared.out);
    expect(data.drop).toBeCloseTo(drop, 6);
    expect(data.dropInterval.low).toBeCloseTo(dropInterval.low, 6);
  });
});
