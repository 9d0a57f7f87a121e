/** secateur train and finetune: the record that they leave, and how they are gone on with. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorkshop, secateur, writeDigits, type Ran } from "./support.ts";
import { laws } from "../support/laws.ts";

const workshop = openWorkshop();
const { folder, at } = workshop;
const digits = ["--data", `mnist:${folder}`, "--threads", "1", "--batch-size", "32", "--seed", "3"];

const succeed = async (words: readonly string[]): Promise<Ran> => {
  const ran = await secateur(words);
  expect(ran.code, ran.err).toBe(0);
  return ran;
};
const line = (command: string, output: string, ...more: string[]) => [
  command,
  at("net.onnx"),
  ...digits,
  ..."--epochs 3 --learning-rate 0.05 --ema 0.9 --checkpoint-every 0".split(" "),
  "-o",
  at(output),
  ...more,
];
const read = (name: string): string => readFileSync(at(name), "utf8");

let trained: Ran;
beforeAll(async () => {
  writeDigits(workshop);
  await succeed(["new", "lenet5", "--seed", "1", "-o", at("net.onnx")]);
  trained = await succeed(line("train", "trained.onnx", "--json", "--metric", "top5"));
});
afterAll(() => workshop.remove());

describe("a run of train", () => {
  it("prints what was reached, and how good the model was after every epoch", () => {
    const { epochs, before, after, output, run } = JSON.parse(trained.out);
    expect([epochs, output, run]).toEqual([3, at("trained.onnx"), at("trained.run")]);
    expect(after.top1).toBeGreaterThan(before.top1);
    expect(after.metric).toEqual({ name: "top5", better: "higher", value: after.top5 });
    expect(trained.err).toMatch(/^at the start: top-5 \d+ % \(\d+ to \d+ %, \d+ samples\)$/m);
    for (const epoch of [1, 2, 3])
      expect(trained.err).toMatch(new RegExp(`^after epoch ${epoch}: top-5 \\d+ % .* samples\\)$`, "m"));
    expect(trained.err).toContain(
      `-> ${at("trained.onnx")}, and how it came about -> ${at("trained.run/report.html")}`,
    );
  });

  it("leaves a record: configuration, events, summary, page and events for TensorBoard", () => {
    const names = readdirSync(at("trained.run")).map((name) => name.replace(/\.\d+\./, "."));
    expect(names.toSorted()).toEqual([
      "config.json",
      "events.jsonl",
      "events.out.tfevents.secateur",
      "report.html",
      "summary.json",
    ]);
    expect(JSON.parse(read("trained.run/config.json"))).toMatchObject({ command: "train", options: { epochs: 3 } });
    const kinds = read("trained.run/events.jsonl")
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text).kind as string);
    expect(kinds.filter((kind) => kind === "epoch")).toHaveLength(4);
    expect(kinds.filter((kind) => kind === "step")).toHaveLength(30);
    const page = read("trained.run/report.html");
    expect(page).toContain("Training of net.onnx");
    expect(page).toMatch(
      /Training net\.onnx takes its top-1 accuracy from \d+ % \(.* %\) to \d+ % \(.* %\) and loss on the test data from/,
    );
    for (const title of ["Loss while learning", "Accuracy while learning", "Learning rate"])
      expect(page).toContain(title);
  });

  it("is told as JSON by report", async () => {
    const { summary, epochs } = JSON.parse((await succeed(["report", at("trained.run"), "--json"])).out);
    expect(summary).toEqual(JSON.parse(read("trained.run/summary.json")));
    expect(epochs.map(({ epoch, step }: { epoch: number; step: number }) => [epoch, step])).toEqual([
      [0, 0],
      [1, 10],
      [2, 20],
      [3, 30],
    ]);
    expect(epochs[3].loss).toBeLessThan(epochs[1].loss);
    expect(epochs[3].evaluation).toEqual(summary.after);
  });

  it("is the same by the same seed, and is not written over by another command", async () => {
    await succeed(line("train", "trained.onnx", "--metric", "top5"));
    const { code, err } = await secateur(line("finetune", "trained.onnx"));
    expect([code, err]).toEqual([
      2,
      expect.stringContaining("trained.run is the record of secateur train: give another"),
    ]);
  });
});

describe.each(["train", "finetune"])("%s that is stopped", (command) => {
  it("says how to go on, and ends in the same bytes and the same record", laws, async () => {
    const [whole, part] = [`${command}-whole`, `${command}-part`];
    await succeed(line(command, `${whole}.onnx`));
    const abort = new AbortController();
    const stopped = await secateur(line(command, `${part}.onnx`), abort.signal, (text) => {
      if (text.includes("after epoch 2")) abort.abort();
    });
    expect(stopped.code).toBe(130);
    expect(stopped.err).toContain(`interrupted; secateur ${command} --resume ${at(`${part}.run`)} goes on`);
    expect(existsSync(at(`${part}.onnx`))).toBe(false);

    await succeed(["report", at(`${part}.run`)]);
    expect(read(`${part}.run/report.html`)).toMatch(/The run is not finished: it stands at step \d+ of 30, in epoch/);
    const again = await secateur([command, at("net.onnx"), "--resume", at(`${part}.run`)]);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining("takes no")]);
    const other = command === "train" ? "finetune" : "train";
    const wrong = await secateur([other, "--resume", at(`${part}.run`)]);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining(`secateur ${command} --resume`)]);

    const { out } = await succeed([command, "--resume", at(`${part}.run`), "--json"]);
    expect(readFileSync(at(`${part}.onnx`)).equals(readFileSync(at(`${whole}.onnx`)))).toBe(true);
    const known = (name: string) =>
      read(`${name}.run/events.jsonl`)
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text))
        .filter(({ kind }) => kind !== "phase")
        .map(({ kind, step, loss, evaluation }) => [kind, step, loss ?? evaluation.loss]);
    expect(known(part)).toEqual(known(whole));
    const { before, after } = JSON.parse(out);
    const summary = JSON.parse(read(`${whole}.run/summary.json`));
    expect([before.loss, after.loss]).toEqual([summary.before.loss, summary.after.loss]);
  });
});

describe("what is missing", () => {
  it.each([
    [["train"], /name the model: secateur train MODEL/],
    [["finetune", "net.onnx"], /required option '--data <spec>'/],
    [["finetune", "net.onnx", "--data", "mnist:x"], /required option '-o, --output <file>'/],
    [["train", "--resume", "nowhere"], /nowhere is no run of secateur/],
  ])("is named: %j", async (words, message) => {
    const { code, err } = await secateur(words);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });
});
