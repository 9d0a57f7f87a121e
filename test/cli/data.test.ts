/** Data of one's own at the command line: from pictures in folders to a smaller net, and what stops it early. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mnist } from "../../src/data/mnist-node.ts";
import { presets } from "../../src/data/normalise.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { collect, labelsOf, npy, plain, writeImage } from "../support/images.ts";
import { openWorkshop, secateur, writeDigits } from "./support.ts";
import { laws } from "../support/laws.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;

beforeAll(async () => {
  writeDigits(workshop);
  write("net.onnx", encodeModel(newModel("lenet5", { classes: 10, seed: 1 })));
  const rows: string[] = ["path,label,split"];
  for (const part of ["train", "test"] as const) {
    const [all] = await collect(await mnist(folder, part, presets.none), { batchSize: 320 });
    const pixels = all!.inputs[""]!.data as Float32Array;
    const labels = labelsOf([all!]);
    for (const [i, label] of labels.entries()) {
      const path = join("pictures", part, String(label), `${String(i).padStart(3, "0")}.png`);
      await writeImage(at(path), Uint8Array.from(pixels.subarray(i * 784, (i + 1) * 784)), [28, 28]);
      rows.push(`${path},${label},${part}`);
    }
  }
  write("pictures.csv", rows.join("\n"));
  for (let c = 0; c < 12; c++)
    await writeImage(at(join("twelve", "train", `class ${c}`, "0.png")), plain([c], [28, 28]), [28, 28]);
});
afterAll(() => workshop.remove());

const lines = (text: string): string[] => text.split("\n").filter((line) => !line.startsWith("images/s"));
const run = (command: string, data: string, ...more: string[]) =>
  secateur([command, at("net.onnx"), "--data", data, "--threads", "1", "--batch-size", "32", ...more]);
const gray = ["--channels", "gray"];

describe("pictures", () => {
  it("give what the same pixels give in another form, from a folder and from a table", async () => {
    const { code, out } = await run("eval", `mnist:${folder}`, "--preset", "mnist");
    expect(code).toBe(0);
    for (const data of [`folder:${at("pictures")}`, `csv:${at("pictures.csv")}`]) {
      const other = await run("eval", data, ...gray, "--preset", "mnist");
      expect(other).toMatchObject({ code: 0, err: expect.not.stringContaining("left out") });
      expect(lines(other.out)).toEqual(lines(out));
      expect(lines((await run("eval", data, ...gray)).out)).not.toEqual(lines(out));
    }
  });

  it("score and prune a net", laws, async () => {
    const scored = await run("score", `folder:${at("pictures")}`, ...gray);
    expect(scored).toMatchObject({ code: 0, out: expect.stringMatching(/^conv1\.weight +6 /m) });
    const pruned = await run(
      "prune",
      `folder:${at("pictures")}`,
      ...gray,
      ..."--size 28 --macs 0.7 --every 2 --epochs 1 --crop 2 --flip".split(" "),
      "-o",
      at("small.onnx"),
    );
    expect(pruned).toMatchObject({ code: 0 });
    expect(pruned.err).toMatch(/-> .*small\.onnx/);
  });

  it("that are broken are told of on stderr, or stop the run", async () => {
    const broken = at(join("pictures", "test", "3", "003.png"));
    const whole = readFileSync(broken);
    writeFileSync(broken, "no image");
    const { code, out, err } = await run("eval", `folder:${at("pictures")}`, ...gray);
    expect(code).toBe(0);
    expect(out).toMatch(/samples +99$/m);
    expect(err).toMatch(/^\S+003\.png cannot be read \(.*\) and is left out; so far 1 of 100$/m);
    const strict = await run("eval", `folder:${at("pictures")}`, ...gray, "--strict");
    expect(strict).toMatchObject({ code: 2, out: "" });
    expect(strict.err).toMatch(/003\.png cannot be read/);
    writeFileSync(broken, whole);
  });
});

describe("arrays", () => {
  it("give what the same pixels give in another form, as bytes and as floats", async () => {
    const { out } = await run("eval", `mnist:${folder}`);
    const [all] = await collect(await mnist(folder, "test", presets.none), { batchSize: 100 });
    const pixels = all!.inputs[""]!.data as Float32Array;
    const [y_test, y_train] = [npy("|u1", [100], labelsOf([all!])), npy("|u1", [1], [0])];
    const bytes = { x_test: npy("|u1", [100, 28, 28], pixels), y_test, y_train };
    const floats = {
      input_test: npy(
        "<f4",
        [100, 1, 28, 28],
        pixels.map((byte) => byte / 255),
      ),
      y_test,
    };
    for (const arrays of [bytes, floats]) {
      const entries = Object.entries(arrays).map(([name, value]) => [`${name}.npy`, value] as const);
      const file = write("digits.npz", zipSync(Object.fromEntries(entries)));
      const result = await run("eval", `npz:${file}`);
      expect(lines(result.out)).toEqual(lines(out));
    }
  });
});

describe("Parquet", () => {
  it("is read, cut to size and told of where it does not fit", async () => {
    const hub = fileURLToPath(new URL("../fixtures/data/hub", import.meta.url));
    const { code, out } = await run("eval", `parquet:${hub}`, ...gray, "--size", "28", "--labels-are-right");
    expect(out).toMatch(/samples +2$/m);
    expect(code).toBe(0);
    const { err } = await run("eval", `parquet:${hub}`, ...gray, "--size", "6x8");
    expect(err).toMatch(/the data has \[2, 1, 6, 8\]/);
  });
});

describe("what does not fit", () => {
  it.each([
    ["score", []],
    ["finetune", ["-o", "x.onnx"]],
    ["prune", ["--macs", "0.5", "-o", "x.onnx"]],
  ])("more classes than outputs stop %s before it begins", async (command, more) => {
    const twelve = [`folder:${at("twelve")}`, ...gray, "--batch-size", "4"] as const;
    const { code, err } = await run(command, ...twelve, ...more.map((word) => (word === "x.onnx" ? at(word) : word)));
    expect(err).toMatch(/twelve train" has 12 classes, the model gives 10 outputs/);
    expect(code).toBe(2);
  });

  it("more classes than outputs stop eval", async () => {
    const { err } = await run("eval", `folder:${at("twelve")}`, ...gray, "--split", "train", "--batch-size", "4");
    expect(err).toMatch(/has 12 classes, the model gives 10 outputs/);
  });

  it.each([
    [["--size", "0"], /must look like 224 or 224x160/],
    [["--size", "28x28x1"], /must look like 224 or 224x160/],
    [["--preset", "imagenette"], /Allowed choices are imagenet, inception/],
    [["--layout", "chwn"], /Allowed choices are nchw, nhwc/],
    [["--size", "28", "--resize", "20"], /resize is 20/],
    [["--preset", "imagenet", ...gray], /mean has 3 values for 1 channels/],
    [["--channels", "rgb"], /input "input" is \[.*1, 28, 28\]; the data has \[32, 3, 28, 28\]/],
    [[...gray, "--layout", "nhwc"], /the data has \[32, 28, 28, 1\]/],
  ])("%j", async (flags, message) => {
    const { code, err } = await run("eval", `folder:${at("pictures")}`, ...flags);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });
});
