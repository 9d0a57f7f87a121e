/** Studio on WebGPU, which the processor computes here: slow, but by the same interface as a graphics card. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspect, load } from "../../src/node.ts";
import { hasBrowser, startStudio, type Studio } from "./browser.ts";
import { downloadBy, drawPictures, expectText, openModel } from "./steps.ts";

const tiny = new URL("../fixtures/nets/residual-conv.onnx", import.meta.url).pathname;
const flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

describe.skipIf(!hasBrowser)("on WebGPU", () => {
  let studio: Studio;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "secateur-webgpu-"));
    studio = await startStudio({ flags });
  }, 120_000);
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const withPictures = async (): Promise<{ page: Page; problems: string[] }> => {
    const opened = await studio.open();
    await openModel(opened.page, tiny);
    await opened.page.getByRole("link", { name: "Prune" }).click();
    await opened.page.locator("input[type=file]").setInputFiles(await drawPictures(folder, 40));
    await expectText(opened.page, "40 samples of 40 pictures");
    await opened.page.getByLabel("Computed on").selectOption("webgpu");
    return opened;
  };

  it("importance is measured, and the page says where", async () => {
    const { page, problems } = await withPictures();
    await page.getByRole("button", { name: "Measure importance" }).click();
    await page.getByText(/ s \(WebGPU\)/).waitFor({ timeout: 90_000 });
    await page.locator(".slider input").fill("70");
    await expectText(page, "predicts that the loss changes by");
    expect(problems).toEqual([]);
    await page.close();
  }, 120_000);

  it(
    "the net is pruned and learns, with its weights on the device from step to step",
    { tags: ["laws"], timeout: 500_000 },
    async () => {
      const { page, problems } = await withPictures();
      await page.locator(".slider input").fill("70");
      await page.getByLabel("Epochs of fine-tuning").fill("1");
      await page.getByLabel("Samples of a minibatch").fill("8");
      await page.getByRole("button", { name: "Prune and learn" }).click();
      await page.getByText("decisions are kept on 8 samples").waitFor({ timeout: 450_000 });
      const { macs } = await inspect(await load(await downloadBy(page, "Download the learned model")));
      expect(macs).toBeLessThanOrEqual(0.7 * (await inspect(await load(tiny))).macs);
      expect(problems).toEqual([]);
      await page.close();
    },
  );
});
