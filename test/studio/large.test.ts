/** Studio with models of ten thousand nodes and of 300 MB, and the README's example for browsers. */

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "vite";
import { encodeModel } from "../../src/index.ts";
import { wrapGraph } from "../../src/onnx/wrap.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { newBuilder } from "../support/graphs.ts";
import { hasBrowser, serveFolder, startStudio, type Studio } from "./browser.ts";

const root = new URL("../..", import.meta.url).pathname;
const laws = { tags: ["laws"] };

/** A chain of convolutions of 1x1, each with a Relu. */
function chain(length: number, channels: number): Uint8Array {
  const builder = newBuilder();
  const g = createEmitter(builder);
  let value = valueIn(builder, builder.input("x", { dtype: "float32", shape: [1, channels, 4, 4] }));
  for (let i = 0; i < length; i++) {
    const [name, shape] = [`layer${i}.weight`, [channels, channels, 1, 1]];
    const data = Float32Array.from({ length: channels * channels }, (_, k) => Math.sin(k + i));
    builder.initializers.set(name, { dtype: "float32", shape, data });
    builder.types.set(name, { dtype: "float32", shape });
    value = g.Relu(g.Conv(value, valueIn(builder, name)));
  }
  return encodeModel(wrapGraph(builder.finish([value.name])));
}

describe.skipIf(!hasBrowser)("a large model", laws, () => {
  let studio: Studio;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "secateur-large-"));
    studio = await startStudio();
  }, 240_000);
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const patience = 200_000;
  it.each([
    ["of 10,000 nodes", 5000, 8, "10000"],
    ["of 300 MB", 75, 1000, "150"],
  ])(
    "%s opens while the page goes on, is found in, and its figures follow the slider",
    async (_, length, channels, nodes) => {
      const path = join(folder, `${length}.onnx`);
      await writeFile(path, chain(length, channels));
      const { page, problems } = await studio.open();
      page.setDefaultTimeout(patience);
      // Frames that are painted while the model opens: none are where the main thread is held.
      await page.evaluate("globalThis.frames_ = 0; (function next() { frames_++; requestAnimationFrame(next); })()");
      await page.locator("input[type=file]").first().setInputFiles(path);
      await page.locator(".details dd", { hasText: new RegExp(`^${nodes}$`) }).waitFor();
      expect(await page.evaluate("frames_")).toBeGreaterThan(5);
      await page.getByRole("searchbox").fill(`layer${length - 2}.weight`);
      await page
        .getByRole("button", { name: `layer${length - 2}.weight` })
        .first()
        .click();
      await page.getByText(`${channels} units`).first().waitFor();
      await page.getByRole("link", { name: "Prune", exact: true }).click();
      await page.locator(".slider input").fill("50");
      const left = page.getByRole("row", { name: "Multiply-accumulates" }).getByRole("cell").last();
      const share = async (): Promise<number> => Number.parseFloat((await left.textContent()) ?? "");
      await expect.poll(share, { timeout: patience }).toBeLessThanOrEqual(50);
      expect(problems).toEqual([]);
      await page.close();
    },
    2 * patience,
  );
});

describe.skipIf(!hasBrowser)("the README's example for browsers", () => {
  it("cuts a model, and proves it", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const code = [...readme.matchAll(/```js\n(.*?)```/gs)]
      .map(([, text]) => text!)
      .find((text) => text.includes("onnxruntime-web"));
    // Within the project, so that onnxruntime-web is found as a program finds it.
    await mkdir(join(root, ".cache"), { recursive: true });
    const folder = await mkdtemp(join(root, ".cache/readme-"));
    try {
      await writeFile(join(folder, "index.html"), '<script type="module" src="./main.js"></script>');
      await writeFile(join(folder, "main.js"), code!);
      await build({
        root: folder,
        configFile: false,
        logLevel: "error",
        base: "./",
        build: { target: "es2022", chunkSizeWarningLimit: 2000 },
        resolve: { alias: [{ find: /^secateur$/, replacement: join(root, "src/index.ts") }] },
      });
      await writeFile(
        join(folder, "dist/model.onnx"),
        await readFile(join(root, "test/fixtures/nets/residual-conv.onnx")),
      );
      await using studio = await startStudio();
      await using server = await serveFolder(join(folder, "dist"), true);
      const { page } = await studio.open({ url: "about:blank" });
      const printed = page.waitForEvent("console", { predicate: (message) => message.type() === "log" });
      await page.goto(server.url);
      const [share, difference] = (await printed).text().split(" ").map(Number);
      expect(share).toBeLessThan(0.9);
      expect(difference).toBeLessThan(1e-4);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 240_000);
});
