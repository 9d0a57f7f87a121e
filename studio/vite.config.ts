/** How the page is built: into dist/studio, from the package's own source. */

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

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
  worker: { format: "es" },
  build: {
    outDir: here("../dist/studio"),
    emptyOutDir: true,
    target: "es2022",
    // A policy that allows scripts of this place alone takes no module as data.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The runtime's wasm is 14 and 27 MB.
    chunkSizeWarningLimit: 2000,
  },
});
