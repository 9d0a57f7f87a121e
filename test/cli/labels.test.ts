/** Labels and pixels at the command line: what the model's file says of them, and what is refused. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mnist } from "../../src/data/mnist-node.ts";
import { presets } from "../../src/data/normalise.ts";
import { load, preprocessingOf } from "../../src/node.ts";
import { collect, labelsOf, pixelsOf, writeImage } from "../support/images.ts";
import { openWorkshop, secateur, writeDigits } from "./support.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;
const digits = Array.from({ length: 10 }, (_, digit) => String(digit));
const backwards = digits.toReversed().join(",");

const run = (command: string, model: string, data: string, ...more: string[]) =>
  secateur([command, at(model), "--data", data, "--threads", "1", "--batch-size", "32", ...more]);
const top1 = (out: string): string | undefined => /^top-1 +(\S+) %/m.exec(out)?.[1];

beforeAll(async () => {
  writeDigits(workshop);
  const [all] = await collect(await mnist(folder, "test", presets.none), { batchSize: 100 });
  const pixels = pixelsOf([all!]);
  for (const [i, label] of labelsOf([all!]).entries()) {
    const image = Uint8Array.from(pixels.slice(i * 784, (i + 1) * 784));
    for (const [dir, name] of [
      ["pictures", String(label)],
      ["words", `Digit ${label}`],
      ...(label < 2 ? [["pets", ["cat", "dog"][label]!]] : []),
    ] as const)
      await writeImage(at(join(dir, "test", name, `${i}.png`)), image, [28, 28]);
  }
  await secateur(["new", "lenet5", "--seed", "1", "-o", at("fresh.onnx")]);
  const training = "--preset mnist --seed 3 --epochs 6 --learning-rate 0.02".split(" ");
  const { code, err } = await run("train", "fresh.onnx", `mnist:${folder}`, ...training, "-o", at("net.onnx"));
  expect(err).not.toMatch(/by chance/);
  expect(code).toBe(0);
});
afterAll(() => workshop.remove());

describe("a model that was trained here", () => {
  it("says what it takes, so that other data needs no options", async () => {
    const known = await run("eval", "net.onnx", `mnist:${folder}`);
    expect(Number(top1(known.out))).toBeGreaterThan(95);
    const { out, err } = await run("eval", "net.onnx", `folder:${at("pictures")}`);
    expect(top1(out)).toBe(top1(known.out));
    expect(err.split("\n")).toContain(
      `from the model's file: --preset mnist --channels gray --size 28 --classes ${digits.join(",")}`,
    );
  });

  it("is told otherwise by options, of which means, deviations and scale go together", async () => {
    const { err } = await run("eval", "net.onnx", `folder:${at("pictures")}`, "--mean", "0", "--classes", "data");
    expect(err).toMatch(/^from the model's file: --channels gray --size 28$/m);
  });

  it("keeps saying it when it is cut and masked", async () => {
    await secateur(["plan", at("net.onnx"), "--ratio", "0.2", "-o", at("plan.json")]);
    const whole = preprocessingOf(await load(at("net.onnx")));
    expect(whole.classes).toEqual(digits);
    for (const command of ["cut", "mask"]) {
      const made = at(`${command}.onnx`);
      expect((await secateur([command, at("net.onnx"), "--plan", at("plan.json"), "-o", made])).code).toBe(0);
      expect(preprocessingOf(await load(made))).toEqual(whole);
    }
  });
});

describe("labels that cannot be right", () => {
  it("are told beside what eval prints", async () => {
    const { code, out, err } = await run("eval", "net.onnx", `mnist:${folder}`, "--classes", backwards);
    expect(code).toBe(0);
    expect(Number(top1(out))).toBeLessThan(10);
    expect(err).toMatch(/no more than by chance\. .*another order: with --classes 0,1,2,3,4,5,6,7,8,9 \d+\.\d% of/);
  });

  it.each([
    ["finetune", []],
    ["train", []],
    ["prune", ["--macs", "0.7"]],
  ])("stop %s, unless they are said to be right", async (command, more) => {
    const wrong = ["--classes", backwards, ...more, "--epochs", "0", "-o", at(`${command}-x.onnx`)];
    const { code, err } = await run(command, "net.onnx", `mnist:${folder}`, ...wrong);
    expect(code).toBe(2);
    expect(err).toMatch(/another order: with --classes 0,1,2.*--labels-are-right/);
    if (command === "prune") return;
    const right = await run(command, "net.onnx", `mnist:${folder}`, ...wrong, "--labels-are-right");
    expect(right.code).toBe(0);
  });

  it("are told by score and compare too", async () => {
    for (const { code, err } of [
      await run("score", "net.onnx", `mnist:${folder}`, "--classes", backwards, "--batches", "1"),
      await run("compare", "net.onnx", `folder:${at("pictures")}`, "--classes", backwards, at("net.onnx")),
    ]) {
      expect(err).toMatch(/with --classes 0,1,2/);
      expect(code).toBe(0);
    }
  });
});

it("a new model, which other pixels suit a little better by chance, is fine-tuned with a line", async () => {
  // A second run in the same process says it again.
  for (const more of [[], ["--force"]]) {
    const line = ["--epochs", "0", "-o", at("tuned.onnx"), ...more];
    const { code, err } = await run("finetune", "fresh.onnx", `mnist:${folder}`, ...line);
    expect(err).toMatch(/no more than by chance; in 3 other forms .*has learned nothing yet/);
    expect(code).toBe(0);
  }
});

describe("folders of other names", () => {
  it("are refused where the model has more outputs, with what to do", async () => {
    const { code, err } = await run("eval", "fresh.onnx", `folder:${at("pets")}`, "--preset", "mnist");
    expect(code).toBe(2);
    expect(err).toMatch(
      /has 2 classes \(cat, dog\), the model 10 outputs: .* Give the names of all outputs .*by --classes: a file/,
    );
    const { err: named } = await run("eval", "net.onnx", `folder:${at("pets")}`);
    expect(named).toMatch(
      /its classes are not those of the model's file \(10\): "cat" is none of them; "dog" is none of them/,
    );
  });

  it("are found in a list, whatever their order", async () => {
    const list = write(
      "names.txt",
      ["zero, cat", "one, dog", ...digits.slice(2).map((digit) => `no ${digit}`)].join("\n"),
    );
    const pets = await run("eval", "net.onnx", `folder:${at("pets")}`, "--classes", list);
    expect(Number(top1(pets.out))).toBeGreaterThan(90);
    const words = digits.map((digit) => `digit_${digit}`).join(",");
    const { out } = await run("eval", "net.onnx", `folder:${at("words")}`, "--classes", words);
    expect(top1(out)).toBe(top1((await run("eval", "net.onnx", `mnist:${folder}`)).out));
  });

  it("are refused where the list is none", async () => {
    const { code, err } = await run("eval", "net.onnx", `folder:${at("pets")}`, "--classes", "imagenett");
    expect(code).toBe(2);
    expect(err).toMatch(/cannot read the list of classes imagenett \(ENOENT\): give a file, imagenet, imagenet-1001/);
  });
});

describe("a run that goes on", () => {
  it("finds its list again from another folder", async () => {
    const list = write("list.json", JSON.stringify(digits));
    const tuning = ["--classes", list, "--epochs", "3", "--learning-rate", "0.001", "--checkpoint-every", "0"];
    const stop = new AbortController();
    const argv = ["finetune", at("net.onnx"), "--data", `mnist:${folder}`, "--batch-size", "32", "--threads", "1"];
    const stopped = await secateur([...argv, ...tuning, "-o", at("on.onnx")], stop.signal, (text) => {
      if (/after epoch 1/.test(text)) stop.abort();
    });
    expect(stopped.code).toBe(130);
    const { code, err } = await secateur(["finetune", "--resume", at("on.run")]);
    expect(err).not.toMatch(/cannot read the list/);
    expect(code).toBe(0);
  });
});
