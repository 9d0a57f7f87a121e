/** `--loss` in every command that takes it: several outputs, targets by name, and what is said where these do not fit. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { float32, sizeOf } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { emptyGraph, modelOf, random } from "../support/graphs.ts";
import { npy } from "../support/images.ts";
import { laws } from "../support/laws.ts";
import { openWorkshop, secateur } from "./support.ts";

const workshop = openWorkshop();
const { at, write } = workshop;
afterAll(() => workshop.remove());

/** Six numbers, a hidden layer of 24, and two outputs: four numbers, and yes or no three times. */
function twoOutputs() {
  const builder = new GraphBuilder(emptyGraph, new Map());
  const g = createEmitter(builder);
  const next = random(3);
  const weights = (name: string, ...shape: [number, number]) => {
    const values = Array.from({ length: sizeOf(shape) }, () => (next() - 0.5) / 2);
    return valueIn(builder, builder.constant(float32(shape, values), name));
  };
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: ["n", 6] as never }));
  const first = g.Relu(g.MatMul(x, weights("w1", 6, 24)));
  const boxes = g.MatMul(first, weights("w2", 24, 4));
  const scores = g.MatMul(first, weights("w3", 24, 3));
  return builder.finish([boxes.name, scores.name]);
}

const rows = 160;
const arrays = (part: string, seed: number) => {
  const next = random(seed);
  const x = Array.from({ length: rows * 6 }, () => next() - 0.5);
  const row = (i: number) => x.slice(6 * i, 6 * i + 6);
  const each = (of: (x: number[]) => number[]) => Array.from({ length: rows }, (_, i) => of(row(i))).flat();
  return {
    [`x_${part}.npy`]: npy("<f4", [rows, 6], x),
    [`boxes_${part}.npy`]: npy(
      "<f4",
      [rows, 4],
      each((r) => [r[0]! + r[1]!, r[2]!, r[3]! - r[4]!, r[5]!]),
    ),
    [`scores_${part}.npy`]: npy(
      "|b1",
      [rows, 3],
      each((r) => [r[0]!, r[1]!, r[2]!].map((v) => Number(v > 0))),
    ),
  };
};

const data = () => ["--data", `npz:${at("rows.npz")}`, "--threads", "1", "--batch-size", "16"];
const losses = ["--loss", "scores=bce", "--loss", "boxes=huber:0.5,delta=0.5"];

beforeAll(() => {
  write("net.onnx", encodeModel(modelOf(named(twoOutputs()))));
  writeFileSync(at("rows.npz"), zipSync({ ...arrays("train", 1), ...arrays("test", 2) }));
});

/** The graph with outputs that have names of their own. */
function named(graph: ReturnType<typeof twoOutputs>): ReturnType<typeof twoOutputs> {
  const names = new Map(graph.outputs.map(({ name }, i) => [name, ["boxes", "scores"][i]!]));
  return {
    ...graph,
    outputs: graph.outputs.map((output) => ({ ...output, name: names.get(output.name)! })),
    nodes: graph.nodes.map((node) => ({ ...node, outputs: node.outputs.map((name) => names.get(name) ?? name) })),
  };
}

const lossOf = async (model: string): Promise<number> => {
  const { code, out, err } = await secateur(["eval", model, ...data(), ...losses, "--json"]);
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out).loss as number;
};

describe("several losses", () => {
  it("are learned, measured, pruned with, and kept by a run in the library's form", laws, async () => {
    const before = await lossOf(at("net.onnx"));
    const training = ["--epochs", "40", "--learning-rate", "0.3", "-o", at("tuned.onnx")];
    const { code, err } = await secateur(["train", at("net.onnx"), ...data(), ...losses, ...training]);
    expect([code, code === 0 ? "" : err]).toEqual([0, ""]);
    expect(await lossOf(at("tuned.onnx"))).toBeLessThan(before / 2);
    const pruned = await secateur([
      "prune",
      at("tuned.onnx"),
      ...data(),
      ...losses,
      ..."--macs 0.6 --epochs 1 --learning-rate 0.05 --prune-learning-rate 0.01".split(" "),
      "-o",
      at("small.onnx"),
    ]);
    expect([pruned.code, pruned.code === 0 ? "" : pruned.err]).toEqual([0, ""]);
    const config = JSON.parse(readFileSync(at("small.run/config.json"), "utf8"));
    expect(config.options.loss).toEqual([
      { kind: "bce", output: "scores" },
      { kind: "huber", output: "boxes", weight: 0.5, delta: 0.5 },
    ]);
    const page = await secateur(["report", at("small.run")]);
    expect(page.code).toBe(0);
    const html = readFileSync(at("small.run/report.html"), "utf8");
    expect(html).toContain("--loss scores=bce --loss boxes=huber:0.5,delta=0.5");
    for (const command of [
      ["compare", at("tuned.onnx"), at("small.onnx")],
      ["score", at("small.onnx")],
    ])
      expect((await secateur([...command, ...data(), ...losses])).code).toBe(0);
    const grad = await secateur(["grad", at("small.onnx"), ...losses, "-o", at("grad.onnx"), "--json"]);
    expect(JSON.parse(grad.out).inputs.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(["target/boxes", "target/scores"]),
    );
  });

  it("go on in a run that was stopped", async () => {
    const stop = new AbortController();
    const argv = ["prune", at("net.onnx"), ...data(), ...losses];
    const how = "--macs 0.5 --per unit --every 1 --units-per-step 2 --epochs 1 --checkpoint-every 0".split(" ");
    const rates = ["--learning-rate", "0.05", "--prune-learning-rate", "0.01"];
    expect((await secateur([...argv, ...how, ...rates, "-o", at("whole.onnx")])).code).toBe(0);
    const stopped = await secateur([...argv, ...how, ...rates, "-o", at("cut.onnx")], stop.signal, (text) => {
      if (text.includes("removal 2")) stop.abort();
    });
    expect(stopped.code).toBe(130);
    expect(existsSync(at("cut.run/checkpoint.safetensors"))).toBe(true);
    const resumed = await secateur(["prune", "--resume", at("cut.run")]);
    expect([resumed.code, resumed.code === 0 ? "" : resumed.err]).toEqual([0, ""]);
    expect(readFileSync(at("cut.onnx")).equals(readFileSync(at("whole.onnx")))).toBe(true);
  });
});

describe("what does not fit is refused in one line:", () => {
  it.each<[string, string[], string | RegExp]>([
    ["no loss", ["--loss", "scores=bcee"], /--loss <loss>.*The loss of scores is "bcee".*\(did you mean bce\?\)/],
    ["two orders", ["--loss", "bce=scores"], /"bce=scores" has the loss before the output; write scores=bce/],
    ["no output", ["--loss", "score=bce"], /a loss is put on "score" \(did you mean scores\?\)/],
    [
      "no target",
      ["--loss", "boxes=mse,target=box"],
      /mse of "boxes" takes the target "box" \(did you mean "boxes"\?\); the data has "boxes", "scores"/,
    ],
    [
      "another shape",
      ["--loss", "boxes=mse,target=scores"],
      /the target "scores" in the data is int64 \[16, 3\]; the loss takes float32 \[16, 4\]: mse on "boxes" compares/,
    ],
    [
      "numbers for class ids",
      ["--loss", "scores=cross-entropy,target=boxes"],
      /is float32 \[16, 4\]; the loss takes int64 \[16\]: cross-entropy on "scores" compares with class ids, 0 to 2; /,
    ],
    ["auto and another", ["--loss", "bce", "--loss", "auto"], /Auto chooses the loss by itself/],
  ])("%s", async (_, flags, message) => {
    const { code, err } = await secateur(["eval", at("net.onnx"), ...data(), ...flags]);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
    expect(err.trim().split("\n")).toHaveLength(1);
  });
});
