/** What the page adds to the package. */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { imagenetClasses } from "../../src/data/imagenet.ts";
import { inspect, load } from "../../src/node.ts";
import { built, buildPage } from "./browser.ts";

/** Bytes that it may add besides the runtime: its wasm, and the JavaScript that goes with that. */
const most = 1_000_000;
const isOfRuntime = (name: string): boolean => /\.wasm$|^ort\..*\.js$/.test(name);

const files = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => ({ name, size: statSync(join(parentPath, name)).size }));

describe("the page", () => {
  beforeAll(buildPage, 240_000);

  it("adds at most 1 MB to the package, without the runtime", () => {
    const all = files(built);
    const own = all.filter(({ name }) => !isOfRuntime(name));
    const bytes = own.reduce((sum, { size }) => sum + size, 0);
    expect(bytes, own.map(({ name, size }) => `${name} ${size}`).join(", ")).toBeLessThanOrEqual(most);
    // What is left out of the sum is there, and is the runtime's alone.
    const runtime = all
      .filter(({ name }) => isOfRuntime(name))
      .map(({ name }) => name.replace(/-[\w-]{8}(?=\.\w+$)/, ""));
    expect(runtime.toSorted()).toEqual([
      "ort-wasm-simd-threaded.asyncify.wasm",
      "ort-wasm-simd-threaded.wasm",
      "ort.wasm.bundle.min.js",
      "ort.webgpu.bundle.min.js",
    ]);
  });

  it("has the names of all classes of ImageNet", async () => {
    const { name } = files(built).find((file) => file.name.startsWith("imagenet"))!;
    const packed = (await import(join(built, "assets", name))) as { readonly imagenetClasses: string };
    expect(packed.imagenetClasses).toBe(imagenetClasses);
  });

  it("comes with a sample of which every group can lose units", async () => {
    const { groups } = await inspect(await load(join(built, "samples/digits.onnx")));
    expect(groups.filter(({ units }) => units > 1).length).toBeGreaterThanOrEqual(3);
  });
});
