/** --metric: a metric of the user's own in every command that measures. */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { blocksOf, fileOf, root } from "../docs/support.ts";
import { digitsIn, openWorkshop, secateur, trainDigits } from "./support.ts";
import { laws } from "../support/laws.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;
const digits = digitsIn(folder);

beforeAll(async () => {
  const guide = blocksOf(readFileSync(`${root}/docs/guide/metric.md`, "utf8"));
  write("f1.mjs", guide.find((block) => fileOf(block) === "f1.mjs")!.code);
  write("throws.mjs", 'export default { name: "bad", better: "lower", start() { throw new Error("not today"); } };');
  write("none.mjs", "export const metric = 1;");
  write("wrong.mjs", "export default 1;");
  await trainDigits(workshop, "new.onnx", "net.onnx");
});
afterAll(() => workshop.remove());

const f1 = ["--metric", at("f1.mjs")];

describe("eval", () => {
  it("prints it beside the others", async () => {
    const { out } = await secateur(["eval", at("new.onnx"), ...digits, ...f1]);
    expect(out).toMatch(/^top-5 .*\nf1 +0\.\d+\nsamples/m);
    const { metric, top1 } = JSON.parse((await secateur(["eval", at("new.onnx"), ...digits, ...f1, "--json"])).out);
    expect(metric).toMatchObject({ name: "f1", better: "higher" });
    expect(metric.value).toBeGreaterThan(0);
    expect(metric.value).toBeLessThan(top1);
  });

  it("prints a metric by name in percent, of the output that is named", async () => {
    const { out } = await secateur(["eval", at("new.onnx"), ...digits, "--metric", "logits=token-accuracy"]);
    const [, top1] = /^top-1 +([\d.]+) %/m.exec(out)!;
    expect(out).toMatch(new RegExp(`^token accuracy of logits +${top1}\\.00 %$`, "m"));
  });

  it.each([
    ["top2", /It must be one of top1, .*, cosine, one of an output, as masks=mean-iou, or a module like f1\.mjs/],
    ["masks=f1", /f1 looks at the output "masks", and the model's outputs are "logits"/],
    ["f1,peak=1", /f1 has no setting "peak"; it takes output, target, as f1,target=mask/],
    ["psnr,peak=high", /peak of psnr must be a number above 0/],
    ["boxes=map", /map looks at several outputs: map,boxes=loc,scores=conf/],
    ["psnr", /psnr does not fit the output "logits", float32 \[\d+, 10\], with the target int64 \[\d+\]. It takes/],
    ["gone.mjs", /cannot load .*gone\.mjs/],
    ["none.mjs", /none\.mjs has no default export/],
    ["wrong.mjs", /wrong\.mjs: the metric is 1; give/],
    ["throws.mjs", /the metric "bad" threw "not today" in start\(\)/],
    ["agreement", /there is no agreement here/],
  ])("refuses %s", async (name, message) => {
    const metric = name.endsWith(".mjs") ? at(name) : name;
    const { code, out, err } = await secateur(["eval", at("net.onnx"), ...digits, "--metric", metric]);
    expect([code, out, err]).toEqual([2, "", expect.stringMatching(message)]);
  });
});

describe("compare", () => {
  const line = ["compare", at("net.onnx"), at("new.onnx"), ...digits, ...f1];

  it("sets both beside each other, and counts its drop in its own unit", async () => {
    const { code, out, err } = await secateur([...line, "--max-drop", "0.1"]);
    expect(out).toMatch(/^f1 +[\d.]+ +0\.\d+ +-0\.\d+$/m);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^the second model loses 0\.\d+ of f1; more than --max-drop 0\.1$/m),
    ]);
    const { data } = JSON.parse((await secateur([...line, "--json"])).out);
    expect(data.drop).toBe(data.metric[0].value - data.metric[1].value);
    expect((await secateur([...line, "--max-drop", "1"])).code).toBe(0);
  });

  it("takes the loss where it is asked for", async () => {
    const { code, err } = await secateur([...line, "--metric", "loss", "--max-drop", "0.1"]);
    expect([code, err]).toEqual([1, expect.stringMatching(/^the second model loses \d+\.?\d* of loss; more than/m)]);
  });

  it("needs data", async () => {
    const { code, err } = await secateur(["compare", at("net.onnx"), at("new.onnx"), ...f1]);
    expect([code, err]).toEqual([2, expect.stringContaining("--metric is measured on data")]);
  });
});

describe("prune", () => {
  it("shows it, records it, and searches by it, after a stop too", laws, async () => {
    const line = (output: string) => [
      "prune",
      at("net.onnx"),
      ...digits,
      ...f1,
      "-o",
      at(output),
      "--max-drop",
      "0.05",
      ..."--every 1 --units-per-step 20 --epochs 1 --checkpoint-every 0".split(" "),
    ];
    const { code, out, err } = await secateur([...line("small.onnx"), "--json"]);
    expect(code).toBe(0);
    expect(err).toMatch(/^at the start: f1 [\d.]+ with \d+ units$/m);
    expect(err).toMatch(
      /^the model of \d.* % of the MACs \(\d+ removals?\) (loses|gains) \d[.\d]*(e-\d+)? of f1: (little enough|too much)$/m,
    );
    const { before, after } = JSON.parse(out);
    expect(before.metric.name).toBe("f1");
    expect(after.macs).toBeLessThan(before.macs);
    const lines = readFileSync(at("small.run/events.jsonl"), "utf8").trim().split("\n");
    const tries = lines.map((text) => JSON.parse(text)).filter(({ kind }) => kind === "search");
    for (const { drop, metric, fits } of tries) expect([metric, fits]).toEqual(["f1", drop <= 0.05]);
    const summary = JSON.parse(readFileSync(at("small.run/summary.json"), "utf8"));
    expect(summary.after.evaluation.metric).toEqual(after.metric);
    const page = readFileSync(at("small.run/report.html"), "utf8");
    expect(page).toContain("f1 while pruning");
    expect(page).toMatch(/f1 from [\d.]+ to [\d.]+/);

    const abort = new AbortController();
    const stopped = await secateur(line("again.onnx"), abort.signal, (text) => {
      if (/(loses|gains) .* of f1/.test(text)) abort.abort();
    });
    expect(stopped.code).toBe(130);
    expect((await secateur(["prune", "--resume", at("again.run")])).code).toBe(0);
    expect(readFileSync(at("again.onnx")).equals(readFileSync(at("small.onnx")))).toBe(true);
  });

  it("measures agreement with labels too, where that is asked for", async () => {
    const line = ["prune", at("net.onnx"), ...digits, "--metric", "agreement", "-o", at("agreed.onnx")];
    const { err } = await secateur([...line, ..."--units 0.95 --every 1 --epochs 0".split(" ")]);
    expect(err).toMatch(/^at the start: agreement 100 % \(96 to 100 %, 100 samples\) with/m);
  });

  it("refuses a metric before it begins", async () => {
    const line = ["prune", at("net.onnx"), ...digits, "--metric", at("wrong.mjs"), "--units", "0.9"];
    const { code, err } = await secateur([...line, "-o", at("no.onnx")]);
    expect([code, err]).toEqual([2, expect.stringContaining("wrong.mjs: the metric is 1")]);
  });
});
