/** Every kind of bad input: one clear line, exit code 2, nothing written. */

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { graphOf, modelOf, node, noise, value } from "../onnx/support.ts";
import { moduleText, openWorkshop, secateur, writeDigits } from "./support.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;

/** A dense layer, an operator that the table lacks, and a dense layer. */
function strangeModel(): Uint8Array {
  const weight = (seed: number) => ({ dtype: "float32" as const, shape: [4, 4], data: noise(16, seed) });
  return encodeModel(
    modelOf(
      23,
      graphOf({
        nodes: [
          node("MatMul", ["x", "w1"], ["a"]),
          { ...node("Hardmax", ["a"], ["b"]), name: "/pick" },
          node("MatMul", ["b", "w2"], ["y"]),
        ],
        inputs: [value("x", ["N", 4])],
        outputs: [value("y", ["N", 4])],
        info: new Map([["b", value("b", ["N", 4])]]),
        initializers: new Map([
          ["w1", weight(1)],
          ["w2", weight(2)],
        ]),
      }),
    ),
  );
}

/** A convolution that computes on integers. */
function quantisedModel(): Uint8Array {
  const scalar = (dtype: "float32" | "uint8", x: number) => tensor(dtype, [], [x]);
  const graph = graphOf({
    inputs: [value("x", ["N", 3, 4, 4])],
    outputs: [value("y", ["N", 4, 4, 4])],
    initializers: new Map([
      ["s", scalar("float32", 0.1)],
      ["z", scalar("uint8", 3)],
      [
        "w",
        tensor(
          "uint8",
          [4, 3, 1, 1],
          Array.from({ length: 12 }, (_, i) => i),
        ),
      ],
    ]),
    nodes: [
      node("QuantizeLinear", ["x", "s", "z"], ["q"]),
      { ...node("QLinearConv", ["q", "s", "z", "w", "s", "z", "s", "z"], ["c"]), name: "/conv/quant" },
      node("DequantizeLinear", ["c", "s", "z"], ["y"]),
    ],
  });
  return encodeModel(modelOf(23, graph));
}

beforeAll(async () => {
  writeDigits(workshop);
  write("integers.onnx", quantisedModel());
  const net = newModel("lenet5", { classes: 10, seed: 1 });
  write("net.onnx", encodeModel(net));
  const [name, weight] = [...net.graph.initializers][0]!;
  const broken = { ...weight, data: (weight.data as Float32Array).map(() => Number.NaN) };
  const initializers = new Map([...net.graph.initializers, [name, broken] as const]);
  write("broken.onnx", encodeModel({ ...net, graph: { ...net.graph, initializers } }));
  write("strange.onnx", strangeModel());
  write("nan.mjs", moduleText({ pixel: "NaN" }));
  write("label.mjs", moduleText({ target: "[0, 1, 2, 3, 4, 5, 6, 70]" }));
  write("shape.mjs", moduleText({ shape: "[8, 3, 28, 28]" }));
  write("values.mjs", moduleText({ target: "{ dtype: 'float32', shape: [8], data: new Float32Array(8) }" }));
  write("fine.mjs", moduleText());
  write("throws.mjs", "export default () => { throw new Error('no\\n  such disk'); }");
  mkdirSync(at("empty"));
  const reading = (name: string) =>
    encodeModel(modelOf(23, { inputs: [], outputs: [value("y")], nodes: [node("Relu", [name], ["y"])] }));
  write("escapes.onnx", reading("\u001B[2J\nsecateur: all is well"));
  write("long.onnx", reading("x".repeat(1e6)));
});
afterAll(() => workshop.remove());

const net = (): string => at("net.onnx");
const out = (): string[] => ["-o", at("x.onnx")];
const digits = ["--data", `mnist:${folder}`, "--threads", "1", "--batch-size", "32"];
const moduleData = (name: string): string[] => ["--data", `module:${at(name)}`, "--threads", "1", "--batch-size", "8"];
const plan = (name: string, text: string): string[] => [net(), "--plan", write(name, text), ...out()];
const remove = (group: string, ...units: number[]): string => JSON.stringify({ remove: { [group]: units } });

type Case = readonly [name: string, argv: () => string[], message: RegExp];

const files: readonly Case[] = [
  [
    "names that would move a terminal's cursor",
    () => ["inspect", at("escapes.onnx")],
    /reads "\\u001b\[2J\\nsecateur: all is well", which no input, initializer or node produces/,
  ],
  ["a name as long as a file", () => ["inspect", at("long.onnx")], /^secateur: .{2000} \.\.\.$/],
  [
    "a quantised model",
    () => ["plan", at("integers.onnx"), "--ratio", "0.5", ...out()],
    /no unit of the model can be removed: QLinearConv "\/conv\/quant": operator QLinearConv computes on integers.*before it is quantised/,
  ],
  [
    "a quantised model that is to be scored",
    () => ["score", at("integers.onnx"), "--criterion", "magnitude", "--json", at("x.json")],
    /no unit of the model can be removed: QLinearConv/,
  ],
  [
    "a truncated model",
    () => ["inspect", write("short.onnx", readFileSync(net()).subarray(0, 5000))],
    /short\.onnx: .*cut short/,
  ],
  [
    "a picture as a model",
    () => ["inspect", write("picture.onnx", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10))],
    /picture\.onnx: .*a PNG image/,
  ],
  ["an empty model", () => ["inspect", write("nothing.onnx", "")], /nothing\.onnx is empty/],
  ["a model that is not there", () => ["inspect", at("none.onnx")], /none\.onnx: no such file/],
  ["a folder as a model", () => ["inspect", folder], /it is a folder/],
  [
    "an output in no folder",
    () => ["plan", net(), "--ratio", "0.5", "-o", at("no/plan.json")],
    /no\/plan\.json: there is no folder/,
  ],
  ["a folder as output", () => ["grad", net(), "-o", at("empty")], /empty: it is a folder/],
  ["an operator without a rule", () => ["grad", at("strange.onnx"), ...out()], /Hardmax.*\/pick/],
];

const plans: readonly Case[] = [
  ["a group that is not there", () => ["cut", ...plan("g.json", remove("nowhere", 0))], /no group "nowhere"/],
  ["a frozen group", () => ["cut", ...plan("z.json", remove("fc3.weight", 0))], /fc3\.weight.*output of the model/],
  ["a unit that is not there", () => ["cut", ...plan("u.json", remove("conv1.weight", 6))], /conv1\.weight.*0\.\.5.*6/],
  [
    "all units of a group",
    () => ["mask", ...plan("e.json", remove("conv1.weight", 0, 1, 2, 3, 4, 5))],
    /all 6 units of group "conv1\.weight"; at least one must stay: /,
  ],
  ["a plan that is not JSON", () => ["cut", ...plan("j.json", "{remove")], /not JSON/],
  ["a plan that is a list", () => ["cut", ...plan("l.json", "[]")], /"remove"/],
  ["a plan that is not there", () => ["cut", net(), "--plan", at("none.json"), ...out()], /none\.json: no such file/],
];

/** Commands that learn or measure, with all that they need but the data. */
const learners: readonly (readonly [string, () => string[]])[] = [
  ["score", () => []],
  ["finetune", () => ["--epochs", "1", ...out()]],
  ["train", () => ["--epochs", "1", ...out()]],
  ["prune", () => ["--macs", "0.5", "--every", "1", "--epochs", "0", ...out()]],
];

const everyLearner = (name: string, argv: () => string[], message: RegExp): Case[] =>
  learners.map(([command, more]) => [`${name}: ${command}`, () => [command, net(), ...argv(), ...more()], message]);

const data: readonly Case[] = [
  ...everyLearner(
    "a label out of range",
    () => moduleData("label.mjs"),
    /sample 7 has label 70; the classes are 0 to 9/,
  ),
  ...everyLearner("NaN in the data", () => moduleData("nan.mjs"), /nan\.mjs: batch 0: the input holds NaN/),
  ...everyLearner(
    "the wrong shape",
    () => moduleData("shape.mjs"),
    /\[(?:8|batch), 1, 28, 28\]; the data has \[8, 3, 28, 28\]/,
  ),
  ...everyLearner("values as labels", () => moduleData("values.mjs"), /the target in the data is float32 \[8\]/),
  ...everyLearner("labels as values", () => [...digits, "--loss", "mse"], /the target in the data is int64 \[32\]/),
  ...everyLearner(
    "larger batches than a module's",
    () => [...moduleData("fine.mjs"), "--batch-size", "16"],
    /fewer than 16 samples in a batch, 8: lower --batch-size/,
  ),
  ...everyLearner(
    "smaller batches than a module's",
    () => [...moduleData("fine.mjs"), "--batch-size", "4"],
    /batches of 8 samples, not of 4: set --batch-size 8/,
  ),
  ...everyLearner("a module that throws", () => moduleData("throws.mjs"), /the module threw "no such disk"/),
  ...everyLearner("an unknown kind of data", () => ["--data", "imagenet:x"], /"imagenet".*cifar10:DIR/),
  ...everyLearner(
    "a folder without files",
    () => ["--data", `mnist:${at("empty")}`],
    /train-images.*secateur data mnist/,
  ),
  ["a label out of range: eval", () => ["eval", net(), ...moduleData("label.mjs")], /label 70/],
  ["NaN in the data: eval", () => ["eval", net(), ...moduleData("nan.mjs")], /holds NaN/],
  ["the wrong shape: eval", () => ["eval", net(), ...moduleData("shape.mjs")], /\[batch, 1, 28, 28\]/],
  ["values as labels: eval", () => ["eval", net(), ...moduleData("values.mjs")], /float32 \[8\]; the loss takes int64/],
  ["labels as values: eval", () => ["eval", net(), ...digits, "--loss", "mse"], /int64 \[32\]; the loss takes float32/],
  ["CIFAR-10 that is not there", () => ["eval", net(), "--data", `cifar10:${at("none")}`], /secateur data cifar10/],
  ["NaN in the weights: eval", () => ["eval", at("broken.onnx"), ...digits], /the loss over 100 samples is NaN/],
  ["NaN in the weights: score", () => ["score", at("broken.onnx"), ...digits], /the loss of minibatch 1 is NaN/],
];

const options: readonly Case[] = [
  ["an unknown criterion", () => ["score", net(), "--criterion", "best"], /'best' is invalid.*taylor-fo/],
  ["a criterion without its data", () => ["score", net()], /taylor-fo needs data/],
  ["an unknown command", () => ["prunee"], /unknown command 'prunee' \(Did you mean prune\?\)/],
  ["an unknown option", () => ["inspect", net(), "--jsno"], /unknown option '--jsno' \(Did you mean --json\?\)/],
  ["no model", () => ["inspect"], /missing required argument 'model'/],
  ["no plan", () => ["cut", net(), ...out()], /required option '--plan <file>' not specified/],
  ["no output", () => ["plan", net(), "--ratio", "0.5"], /required option '-o, --output <file>' not specified/],
  ["no data", () => ["eval", net()], /required option '--data <spec>' not specified/],
  ["a ratio above 1", () => ["plan", net(), "--ratio", "1.5", "-o", at("x.json")], /'1\.5' is invalid.*from 0 to 1/],
  ["a ratio of 1", () => ["plan", net(), "--ratio", "1", "-o", at("x.json")], /less than 1/],
  ["a rate of 0", () => ["finetune", net(), ...digits, "--learning-rate", "0", ...out()], /a number above 0/],
  ["a batch of 0", () => ["grad", net(), "--batch", "0", ...out()], /a whole number from 1\./],
  ["too many threads", () => ["eval", net(), ...digits, "--threads", "1e5"], /a whole number from 1 to 256/],
  [
    "no budget",
    () => ["prune", net(), ...digits, ...out()],
    /say how far to prune: --max-drop, --macs, --params, --bytes, --units, --latency or --max-loss/,
  ],
  [
    "a budget that may mean three things",
    () => ["prune", net(), ...digits, "--macs", "2", ...out()],
    /Did you mean 2 % \(--macs 0\.02\), 2 times fewer \(--macs 0\.5\) or 2 multiply-accumulates \(--macs 2macs\)\?/,
  ],
  [
    "a budget below a floor",
    () => ["prune", net(), ...digits, "--macs", "5%", "--min-units", "4", ...out()],
    /--macs cannot be met: .* at least [\d,]+ \(28\.\d %\) stay, .* without --min-units 4$/,
  ],
  [
    "class ids where a loss takes numbers",
    () => ["prune", net(), ...digits, "--macs", "0.5", "--loss", "mse", "--distil", "0.5", ...out()],
    /the target in the data is int64 \[32\]; the loss takes float32 \[32, 10\]/,
  ],
  ["the shape of no input", () => ["inspect", net(), "--shape", "image=1x1x28x28"], /"image"; .*inputs are "input"/],
  ["a shape that does not fit", () => ["inspect", net(), "--shape", "input=1x1x9x9"], /\[1, 1, 9, 9\] does not fit/],
  ["a shape that is none", () => ["inspect", net(), "--shape", "input=1,1"], /NAME=1x3x224x224/],
  ["a model that is unknown", () => ["new", "alexnet", ...out()], /'alexnet' is invalid .*choices are lenet3/],
  ["an image that is none", () => ["new", "lenet5", "--input", "axb", ...out()], /'axb' is invalid.*3x32x32/],
];

/** A line that tells how the work goes. */
const isProgress = (line: string): boolean =>
  /^(epoch|removal|minibatch) \d|^\d+ samples|^(measuring|pruning|learning)$|^at the start: |^units are ranked by /.test(
    line,
  );

for (const [title, cases] of Object.entries({ files, plans, data, options }))
  describe(`bad ${title}: one clear line, exit code 2, nothing written`, () => {
    it.each(cases)("%s", async (_, argv, message) => {
      const args = argv();
      const before = readdirSync(folder);
      const { code, out: printed, err } = await secateur(args);
      const lines = err.split("\n").filter((line) => !isProgress(line));
      expect(lines).toEqual([expect.stringMatching(/^secateur: /), ""]);
      expect(lines[0]).toMatch(message);
      expect([code, printed]).toEqual([2, ""]);
      expect(readdirSync(folder)).toEqual(before);
    });
  });

describe("an output that cannot be written", () => {
  it.each(learners)("is refused by %s before any work", async (command, more) => {
    const output = command === "score" ? "--json" : "-o";
    const { code, err } = await secateur([command, net(), ...digits, ...more(), output, at("no/x")]);
    expect([code, err]).toEqual([2, `secateur: cannot write ${at("no/x")}: there is no folder ${at("no")}\n`]);
  });

  it("leaves a file that is there as it was", async () => {
    const kept = write("kept.onnx", "mine");
    const { code } = await secateur(["finetune", net(), ...moduleData("nan.mjs"), "-o", kept]);
    expect([code, readFileSync(kept, "utf8")]).toEqual([2, "mine"]);
  });
});
