/** Studio in a real browser: what is opened, seen, scored, cut and handed over. */

import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { float32 } from "../../src/graph/tensor.ts";
import { arrayDataset, encodeModel, inspect, load, type Model } from "../../src/node.ts";
import { wrapGraph } from "../../src/onnx/wrap.ts";
import { alias, createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { newBuilder } from "../support/graphs.ts";
import { hasBrowser, startStudio, type Studio } from "./browser.ts";
import { downloadBy, drawPictures, expectText, openModel, seriousIn } from "./steps.ts";

const root = new URL("../..", import.meta.url).pathname;
const digits = join(root, "scripts/demo/digits.onnx");
const tiny = join(root, "test/fixtures/nets/residual-conv.onnx");

describe.skipIf(!hasBrowser)("the page", () => {
  let studio: Studio;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "secateur-studio-"));
    studio = await startStudio();
  }, 120_000);
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it("shows a model's groups, finds nodes, and tells what they are", async () => {
    const { page, problems } = await studio.open();
    await openModel(page, digits);
    await expectText(page, "448 units in 6 groups");
    await page.getByRole("searchbox").fill("conv4");
    await page.getByRole("button", { name: "conv4.weight", exact: true }).click();
    await expectText(page, "64 units");
    await page.getByRole("button", { name: "Draw its nodes" }).click();
    await page.locator(".details").getByRole("button", { name: "Conv", exact: true }).click();
    await expectText(page, "kernel_shape");
    await page.getByRole("button", { name: "All groups" }).click();
    await page.locator("canvas").focus();
    await page.keyboard.press("Escape");
    await page.keyboard.press("ArrowDown");
    await expectText(page, "float32 [batch, 1, 28, 28]");
    expect(problems).toEqual([]);
    await page.close();
  });

  it("cuts to half by magnitude, and hands over the bytes that the command line writes for the same plan", async () => {
    const { page, problems } = await studio.open();
    await openModel(page, digits);
    await page.getByRole("link", { name: "Prune" }).click();
    await page.locator(".slider input").fill("50");
    await expectHalf(page);
    await page.getByRole("button", { name: "Cut", exact: true }).click();
    await expectText(page, "Proved:");
    const [small, plan] = [await downloadBy(page, "Download the model"), await downloadBy(page, "Download the plan")];
    await writeFile(join(folder, "plan.json"), plan);
    const cli = join(root, "dist/cli/main.js");
    const out = join(folder, "small.onnx");
    execFileSync(process.execPath, [cli, "cut", digits, "--plan", join(folder, "plan.json"), "-o", out, "--force"]);
    expect(small.equals(await readFile(out))).toBe(true);
    expect(small.length).toBeLessThan((await readFile(digits)).length * 0.9);
    expect(problems).toEqual([]);
    await page.close();
  });

  it("takes back what was chosen, group by group", async () => {
    const { page } = await studio.open();
    await openModel(page, digits);
    await page.getByRole("link", { name: "Prune" }).click();
    await page.getByLabel("Units left of conv4.weight").fill("20");
    await expectText(page, "64 → 20");
    await page.locator(".slider input").fill("60");
    await expectText(page, "60 %");
    await page.getByRole("button", { name: "Undo" }).click();
    await expectText(page, "100 %");
    await expectText(page, "64 → 20");
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => page.getByText("64 → 20").count()).toBe(0);
    await page.close();
  });

  it("scores by pictures that are dropped, and stops when it is told to", async () => {
    const pictures = await drawPictures(folder, 40);
    const { page, problems } = await studio.open();
    await openModel(page, digits);
    await page.getByRole("link", { name: "Prune" }).click();
    await page.locator("input[type=file]").setInputFiles(pictures);
    await expectText(page, "40 samples of 40 pictures");
    await page.getByRole("button", { name: "Measure importance" }).click();
    await page.getByText(/^Importance by taylor-fo, in/).waitFor();
    await page.locator(".slider input").fill("50");
    await expectText(page, "predicts that the loss changes by");
    await page.getByLabel("Criterion").selectOption("oracle");
    await page.getByRole("button", { name: "Measure importance" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await expect.poll(() => page.getByRole("button", { name: "Stop" }).count(), { timeout: 20_000 }).toBe(0);
    await page.getByText(/^Importance by taylor-fo, in/).waitFor();
    expect(problems).toEqual([]);
    await page.close();
  });

  it("takes labels of pictures from a table, and says which row of it is wrong", async () => {
    const pictures = await drawPictures(folder, 6);
    const table = join(folder, "labels.csv");
    const rows = pictures.map((path, i) => `${basename(path)},${i % 10}`);
    await writeFile(table, ["path,label", ...rows].join("\n"));
    const { page } = await studio.open();
    await openModel(page, digits);
    await page.getByRole("link", { name: "Prune" }).click();
    await page.locator("input[type=file]").setInputFiles([table, ...pictures]);
    await expectText(page, "labels.csv has the classes");
    await expectText(page, "from the labels");
    for (const [row, message] of [
      ["picture-0.png,10", "row 1 has the label 10, but the model has 10 classes"],
      ["picture-99.png,1", "row 1 names picture-99.png, which was not dropped with it"],
      [",1", "row 1 has no path"],
    ]) {
      await writeFile(table, `path,label\n${row}\n`);
      await page.locator("input[type=file]").setInputFiles([table, ...pictures]);
      await page.getByRole("alert").getByText(message!).waitFor();
    }
    await page.close();
  });

  it("prunes and learns from pictures without labels, and hands the model over", async () => {
    const pictures = await drawPictures(folder, 40);
    const { page, problems } = await studio.open();
    await openModel(page, tiny);
    await page.getByRole("link", { name: "Prune" }).click();
    await page.locator("input[type=file]").setInputFiles(pictures);
    await expectText(page, "40 samples of 40 pictures");
    await page.locator(".slider input").fill("70");
    await page.getByLabel("Epochs of fine-tuning").fill("1");
    await page.getByLabel("Samples of a minibatch").fill("8");
    await page.getByRole("button", { name: "Prune and learn" }).click();
    await page.getByText("decisions are kept on 8 samples").waitFor({ timeout: 90_000 });
    const model = await load(await downloadBy(page, "Download the learned model"));
    const { macs } = await inspect(model);
    expect(macs).toBeLessThanOrEqual(0.7 * (await inspect(await load(tiny))).macs);
    expect(problems).toEqual([]);
    await page.close();
  }, 120_000);

  it("says what is wrong with a broken file, and goes on with the model that was open", async () => {
    const broken = join(folder, "broken.onnx");
    await writeFile(broken, (await readFile(digits)).subarray(0, 5000));
    const { page } = await studio.open();
    await page.locator("input[type=file]").first().setInputFiles(broken);
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("alert").textContent()).toContain("this is not an ONNX model");
    await openModel(page, digits);
    await expectText(page, "448 units in 6 groups");
    expect(await page.getByRole("alert").count()).toBe(0);
    await page.close();
  });

  it("asks no other host, fits a phone, and axe finds nothing serious, light and dark", async () => {
    for (const [theme, width] of [
      ["light", 1440],
      ["dark", 380],
    ] as const) {
      const { page, problems } = await studio.open({ theme, width });
      const check = async (): Promise<void> => {
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
        expect(await seriousIn(page)).toEqual([]);
      };
      await check();
      await openModel(page, digits);
      for (const view of ["Network", "Prune", "Compare"]) {
        await page.getByRole("link", { name: view }).click();
        await check();
      }
      expect(problems).toEqual([]);
      await page.close();
    }
  });

  it("compares the small model with the whole, and shows the pictures on which they differ most", async () => {
    const pictures = await drawPictures(folder, 12);
    const { page, problems } = await studio.open();
    await openModel(page, digits);
    await page.getByRole("link", { name: "Prune" }).click();
    await page.locator("input[type=file]").setInputFiles(pictures);
    await expectText(page, "12 samples of 12 pictures");
    await page.locator(".slider input").fill("40");
    await page.getByRole("button", { name: "Cut", exact: true }).click();
    await expectText(page, "Proved:");
    await page.getByRole("link", { name: "Compare" }).click();
    await page.getByRole("button", { name: "Compare with the small model" }).click();
    await expectText(page, "Where they differ most");
    expect(await page.locator(".samples img").count()).toBe(6);
    const shares = (await page.locator(".samples li").allTextContents()).map((text) =>
      Number(/: ([\d.]+) % apart/.exec(text)![1]),
    );
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    expect(shares[0]).toBeGreaterThan(0);
    await page.getByRole("button", { name: "Show all 12" }).click();
    await page.getByRole("button", { name: "picture-11.png" }).click();
    const said = page.getByRole("region", { name: "What both say of picture-11.png" });
    const rows = await said.getByRole("row").allTextContents();
    const small = await load(await downloadOf(page, "Prune", "Download the model"));
    const [first, second] = [await outputsOn(await load(digits), pictures[11]!), await outputsOn(small, pictures[11]!)];
    // Each of the three best of either is told with what onnxruntime gives in Node.
    for (const [values, column] of [
      [first, 1],
      [second, 2],
    ] as const) {
      const best = [...values.keys()].toSorted((a, b) => values[b]! - values[a]!).slice(0, 3);
      for (const [place, id] of best.entries()) {
        const row = rows.find((text) => text.startsWith(`class ${id}`))!;
        const [, ...cells] = /^class \d(-?[\d.e-]+) \((.*?)\)(-?[\d.e-]+) \((.*?)\)$/.exec(row)!;
        expect(cells[2 * column - 1]).toBe(place === 0 ? "its answer" : `place ${place + 1}`);
        expect(Number(cells[2 * column - 2])).toBeCloseTo(values[id]!, 1);
      }
    }
    expect(problems).toEqual([]);
    await page.close();
  });

  it("says of models that are no classifiers where each output differs most", async () => {
    const [one, two] = [join(folder, "one.onnx"), join(folder, "two.onnx")];
    await writeFile(one, shifted(0));
    await writeFile(two, shifted(0.5));
    const { page, problems } = await studio.open();
    await openModel(page, one);
    await page.getByRole("link", { name: "Prune" }).click();
    await page.locator("input[type=file]").setInputFiles(await drawPictures(folder, 2));
    await expectText(page, "2 samples of 2 pictures");
    await page.getByRole("link", { name: "Compare" }).click();
    // The page before has an input for files too.
    await expectText(page, "Open another model");
    await page.locator("input[type=file]").setInputFiles(two);
    await page.getByRole("region", { name: "What both say of" }).waitFor();
    const words = await page.getByRole("region", { name: "What both say of" }).textContent();
    // One of 3 * 28 * 28 values is half an unit higher.
    expect(words).toMatch(/y differs by 0\.500 at most .* and by 0\.000213 on average/);
    const [, before, after] = /Most at \[0, 1, 2, 3\] of \[1, 3, 28, 28\]: (\S+) became (\S+)\.$/.exec(words!)!;
    expect(Number(after) - Number(before)).toBeCloseTo(0.5, 1);
    expect(problems).toEqual([]);
    await page.close();
  });

  it("without isolation one thread computes, and the page says so", async () => {
    await using plain = await startStudio({ isolated: false });
    const { page } = await plain.open();
    await openModel(page, digits);
    await page.getByRole("link", { name: "Prune" }).click();
    await page.locator(".slider input").fill("50");
    await page.getByRole("button", { name: "Cut", exact: true }).click();
    await expectText(page, "Proved:");
    await page.getByRole("button", { name: "Time both" }).click();
    await page.getByText("one thread: the page is not cross-origin isolated").waitFor({ timeout: 60_000 });
    await page.close();
  }, 120_000);

  it("two tabs do not know of each other", async () => {
    const [one, two] = [await studio.open(), await studio.open()];
    await openModel(one.page, digits);
    expect(await two.page.getByRole("heading", { name: "See a network" }).count()).toBe(1);
    await openModel(two.page, tiny);
    await one.page.getByRole("link", { name: "Prune" }).click();
    await one.page.locator(".slider input").fill("50");
    await expectHalf(one.page);
    await one.page.close();
    await two.page.close();
  });
});

/** What comes down in another view. */
async function downloadOf(page: Page, view: string, name: string): Promise<Buffer> {
  await page.getByRole("link", { name: view, exact: true }).click();
  return downloadBy(page, name);
}

/** The outputs on a picture, as the page reads it: grey, in the form that the model takes. */
async function outputsOn(model: Model, path: string): Promise<Float32Array> {
  const { data } = await sharp(path).grayscale().raw().toBuffer({ resolveWithObject: true });
  const dataset = arrayDataset({
    name: "a picture",
    inputs: { "": { dtype: "uint8", shape: [1, 1, 28, 28], data: Uint8Array.from(data) } },
  });
  await using session = await directRuntime.load(encodeModel(model), { threads: 1 });
  for await (const { inputs } of dataset.batches({ batchSize: 1 })) {
    const results = await session.run({ [session.inputs[0]!]: inputs[""]! });
    return results[session.outputs[0]!]!.data as Float32Array;
  }
  throw new Error("there is no sample");
}

/** A model of pictures that makes pictures of three channels; one value of these is higher by so much. */
function shifted(by: number): Uint8Array {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const image = valueIn(builder, builder.input("x", { dtype: "float32", shape: ["n", 1, 28, 28] as never }));
  const weight = float32([3, 1, 1, 1], [0.01, 0.02, 0.03]);
  const moved = new Float32Array(3 * 28 * 28);
  moved[(1 * 28 + 2) * 28 + 3] = by;
  const y = g.Add(g.Conv(image, g.constant(weight)), g.constant(float32([1, 3, 28, 28], moved)));
  alias(builder, y.name, "y");
  return encodeModel(wrapGraph(builder.finish(["y"])));
}

/** The figures say that half of the multiply-accumulates are left, or just less. */
async function expectHalf(page: Page): Promise<void> {
  const left = page.getByRole("row", { name: "Multiply-accumulates" }).getByRole("cell").last();
  const share = async (): Promise<number> => Number.parseFloat((await left.textContent()) ?? "");
  await expect.poll(share).toBeLessThanOrEqual(50);
  expect(await share()).toBeGreaterThan(48);
}
