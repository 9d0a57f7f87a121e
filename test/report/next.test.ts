/** What a page says to do next. */

import { describe, expect, it } from "vitest";
import { nextSteps, withFlags } from "../../src/report/next.ts";
import type { PruneSummary, RunConfig, RunRecord } from "../../src/report/record.ts";
import { reportPage } from "../../src/report/report.ts";
import { config, smallRecords, summary } from "./small-run.ts";

const textsOf = (given: RunConfig, end: Partial<PruneSummary> = {}, records: readonly RunRecord[] = []): string[] =>
  nextSteps(given, records, { ...summary, ...end }).map(({ text }) => text);
const withOptions = (options: Readonly<Record<string, unknown>>): RunConfig => ({
  ...config,
  options: { ...config.options, ...options },
});

describe("after pruning", () => {
  it("are commands with the files of the run, each as it can be typed", () => {
    expect(textsOf(config)).toEqual([
      "secateur compare /nets/digits.onnx small.onnx --data 'mnist:my digits' --latency",
      "secateur eval small.onnx --data 'mnist:my digits'",
      "secateur finetune small.onnx --data 'mnist:my digits' -o small-tuned.onnx",
      "secateur prune small.onnx --data 'mnist:my digits' --max-drop 1 -o small-smaller.onnx",
      "secateur prune digits.onnx --data 'mnist:my digits' --macs 0.35 -o small-2.onnx",
      'import onnxruntime\nsession = onnxruntime.InferenceSession("small.onnx")\n' +
        'outputs = session.run(None, {"input": batch})  # float32 [batch, 1, 28, 28]',
    ]);
  });

  it("have the options that data is read by, and those of learning that are not the default", () => {
    const [compare, , finetune] = textsOf(
      withOptions({ mean: [0.5, 0.25], size: [224, 160], preset: "imagenet", batchSize: 32, flip: true, crop: 4 }),
    );
    const data = "--data 'mnist:my digits' --preset imagenet --mean 0.5,0.25 --size 224x160";
    expect(compare).toContain(`small.onnx ${data} --latency`);
    expect(finetune).toContain(`${data} --batch-size 32 --crop 4 --flip -o`);
  });

  it("measure on what there is", () => {
    expect(textsOf({ ...config, unmeasured: "no test part" })[0]).toContain("--split train --latency");
    expect(textsOf(withOptions({ targets: "teacher" })).join("\n")).not.toContain("secateur eval");
    expect(textsOf(withOptions({ loss: "mse" }))[0]).toContain("--loss mse");
    const several = { scores: "bce", "box es": { kind: "huber", delta: 0.5, weight: 2 } };
    const [compare, , finetune] = textsOf(withOptions({ loss: several }));
    for (const text of [compare, finetune])
      expect(text).toContain("--loss scores=bce --loss 'box es=huber:2,delta=0.5'");
    const page = reportPage(withOptions({ loss: several }), [], summary);
    expect(page).toContain("scores=bce, box es=huber:2,delta=0.5");
    expect(page).not.toContain("[object Object]");
  });

  it("ask for no more than data can give", () => {
    const further = (options: Readonly<Record<string, unknown>>) =>
      textsOf(withOptions(options)).find((text) => text.includes("-smaller"));
    expect(further({ data: "module:data.mjs" })).toContain("--macs 0.7");
    expect(further({ loss: "mse" })).toContain("--macs 0.7");
  });

  it("begin with what mends a run that did not reach its end", () => {
    const first = (end: Partial<PruneSummary>, options = {}, records: readonly RunRecord[] = []): string =>
      textsOf(withOptions(options), end, records)[0]!;
    expect(first({ end: "exhausted" })).toContain("--macs 0.5 -o small-2.onnx");
    expect(
      first({ end: "missed", after: { ...summary.after, costs: { ...summary.after.costs, macs: 200_400 } } }),
    ).toContain("--macs 0.51 -o");
    expect(first({ end: "exhausted" }, { maxDrop: 1, epochs: 5 })).toContain("--max-drop 2 --epochs 10 --distil 0.9");
    const harm = (phase: "prune" | "finetune"): RunRecord => ({
      time: config.started,
      kind: "diverged",
      phase,
      step: 9,
      loss: 3,
      least: 0.1,
      chance: 2.3,
      learningRate: 0.1,
      lower: 0.01,
      restored: 4,
    });
    expect(first({ end: "diverged" }, {}, [harm("prune")])).toContain("--prune-learning-rate 0.01");
    expect(first({ end: "diverged" }, {}, [harm("finetune")])).toContain(" --learning-rate 0.01");
    const removed = { ...harm("prune"), removed: { removals: 2, loss: 1.5 } };
    const byMagnitude = first({ end: "diverged" }, { criterion: "magnitude", unitsPerStep: 6 }, [removed]);
    expect(byMagnitude).toContain("--criterion taylor-fo --units-per-step 3");
    expect(first({ end: "diverged" }, { unitsPerStep: 6 }, [removed])).not.toContain("--criterion");
    expect(first({ end: "diverged" }, { schedule: "cubic", removals: 9 }, [removed])).toContain("--removals 18");
  });
});

it("after learning are to measure, to prune and to learn more", () => {
  const learned = { epochs: 2, output: "net.onnx", inputs: summary.inputs };
  expect(nextSteps({ ...config, command: "train" }, [], learned).map(({ text }) => text.split("\n")[0])).toEqual([
    "secateur eval net.onnx --data 'mnist:my digits'",
    "secateur prune net.onnx --data 'mnist:my digits' --max-drop 1 -o net-small.onnx",
    "secateur finetune net.onnx --data 'mnist:my digits' -o net-tuned.onnx",
    "import onnxruntime",
  ]);
});

describe("a command with other flags", () => {
  it.each([
    ["secateur prune a.onnx --macs 0.5 -o b.onnx", "secateur prune a.onnx --macs 0.3 -o c.onnx"],
    ["secateur prune a.onnx --output b.onnx --macs=0.5", "secateur prune a.onnx --output c.onnx --macs 0.3"],
    ["secateur prune 'a b.onnx' -o 'b c.onnx'", "secateur prune 'a b.onnx' -o c.onnx --macs 0.3"],
    [
      String.raw`secateur prune 'it'\''s.onnx' --run 'x y' -o b.onnx`,
      String.raw`secateur prune 'it'\''s.onnx' --run c.run -o c.onnx --macs 0.3`,
    ],
  ])("%s", (line, changed) =>
    expect(withFlags(line, { "--macs": "0.3", "--output": "c.onnx", "--run": "c.run" })).toBe(changed),
  );
});

describe("the page", () => {
  it("ends with it, and says where the commands are typed", () => {
    const page = reportPage(config, smallRecords(), summary);
    const at = page.indexOf('<section id="next">');
    expect(page.lastIndexOf("<section")).toBe(at);
    expect(page.slice(at)).toContain("Commands are for the folder /home/me/nets.");
    expect(page).toContain('<a href="#next">');
  });

  it("has none while the run goes on", () =>
    expect(reportPage(config, smallRecords())).not.toContain("What to do next"));

  it("says why there is no accuracy, and what to add", () => {
    const bare = { ...summary, before: { ...summary.before, evaluation: undefined } };
    const page = reportPage({ ...config, unmeasured: "no test part; add x/test" }, [], bare);
    expect(page).toContain("No accuracy was measured: no test part; add x/test.");
  });

  it("says what was measured where there is no accuracy", () => {
    const evaluation = { loss: 0.5, samples: 40, samplesPerSecond: 1 };
    const errors = { ...summary, before: { ...summary.before, evaluation }, after: { ...summary.after, evaluation } };
    const told = (more: object): string =>
      reportPage(withOptions({ loss: "mse" }), [], {
        ...errors,
        before: { ...errors.before, evaluation: { ...evaluation, ...more } },
      }).replaceAll(/\s+/g, " ");
    expect(told({})).toContain(
      "There is no accuracy where the loss is mse: the loss was measured on 40 samples of test data.",
    );
    expect(told({ metric: { name: "psnr", better: "higher", value: 30 } })).toContain("PSNR was measured");
  });

  it.each([
    ["met", "This is the smallest model found that loses at most 1 points"],
    ["exhausted", "No smaller model was found that loses at most 1 points"],
  ] as const)("says of a search that ended %s what came of it", (end, text) =>
    expect(reportPage(withOptions({ maxDrop: 1 }), [], { ...summary, end })).toContain(text),
  );
});
