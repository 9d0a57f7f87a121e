/** How the page is built: into dist/studio, from the package's own source. */

import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { imagenetClasses } from "../src/data/imagenet.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The parts of a program that {@link withoutSamples} looks at. */
interface Part {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly key?: { readonly name?: string };
}

const isPart = (value: unknown): value is Part => typeof value === "object" && value !== null;

/** Where the samples of operators are written. */
function samplesIn(part: unknown): readonly Part[] {
  if (!isPart(part)) return [];
  if (part.type === "Property" && part.key?.name === "samples") return [part];
  return Object.values(part).flatMap(samplesIn);
}

/** Leaves the samples out that tests try operators on. Where an operator is tried before it is used they stay. */
const withoutSamples = (): Plugin => ({
  name: "without-samples",
  enforce: "post",
  transform(code, id) {
    if (!/\/src\/ops\/families\/[^/]+\.ts$/.test(id) || code.includes("singleThreaded")) return undefined;
    const lean = samplesIn(this.parse(code)).reduceRight(
      (text, { start, end }) => `${text.slice(0, start)}samples: []${text.slice(end)}`,
      code,
    );
    return { code: lean, map: null };
  },
});

/** The names of ImageNet's classes, half as long. */
const withPackedNames = (): Plugin => ({
  name: "packed-names",
  enforce: "pre",
  load: (id) =>
    id.endsWith("/src/data/imagenet.ts")
      ? `const packed = Uint8Array.from(atob("${deflateRawSync(imagenetClasses).toString("base64")}"), (c) => c.charCodeAt(0));
const text = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
export const imagenetClasses = await new Response(text).text();`
      : undefined,
});

/** Of comments licences alone: what tells bundlers that something has no effect has been read. */
const output = { comments: { annotation: false, legal: true, jsdoc: false } };

export default defineConfig({
  root: here("."),
  base: "./",
  resolve: {
    alias: [
      { find: /^secateur\/graph$/, replacement: here("../src/graphs.ts") },
      { find: /^secateur$/, replacement: here("../src/index.ts") },
    ],
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es", plugins: () => [withoutSamples(), withPackedNames()], rolldownOptions: { output } },
  build: {
    outDir: here("../dist/studio"),
    emptyOutDir: true,
    rolldownOptions: { output },
    target: "es2022",
    // A policy that allows scripts of this place alone takes no module as data.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The runtime's wasm is 14 and 27 MB.
    chunkSizeWarningLimit: 2000,
  },
});
