/** A browser with the page as it is built, for the tests of Studio; these are skipped where there is no browser. */

import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { chromium, type Browser, type Page } from "playwright-core";
import { build } from "vite";

const root = new URL("../..", import.meta.url).pathname;
/** The folder of the page. */
export const built = join(root, "dist/studio");
const browserPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

/** Whether there is a browser; without one a line says so. */
export const hasBrowser = browserPath !== undefined;
if (!hasBrowser) console.warn("chromium is not installed: the tests of Studio are skipped");

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".onnx": "application/octet-stream",
};

/** When the newest file below a folder was written. */
const newest = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);

const writtenAt = (): number =>
  existsSync(join(built, "index.html")) ? statSync(join(built, "index.html")).mtimeMs : 0;
const isFresh = (): boolean => writtenAt() > Math.max(newest(join(root, "studio")), newest(join(root, "src")));

/** Builds the page where that is older than its source; files of tests that run side by side build it once. */
export async function buildPage(): Promise<void> {
  const lock = join(root, "dist/.studio-build");
  for (;;) {
    if (isFresh()) return;
    try {
      mkdirSync(lock);
      break;
    } catch {
      if (Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > 120_000)
        rmSync(lock, { recursive: true });
      await wait(200);
    }
  }
  // As it is published: tests run in another mode, in which it is larger.
  const mode = process.env["NODE_ENV"];
  process.env["NODE_ENV"] = "production";
  try {
    await build({ root: join(root, "studio"), configFile: join(root, "studio/vite.config.ts"), logLevel: "error" });
  } finally {
    process.env["NODE_ENV"] = mode;
    rmSync(lock, { recursive: true, force: true });
  }
}

/** A folder as files alone, as any host of static files has it. */
export async function serveFolder(
  folder: string,
  isolated: boolean,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = await serve(folder, isolated);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function serve(folder: string, isolated: boolean): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = join(folder, pathname === "/" ? "index.html" : pathname);
    void readFile(file).then(
      (content) => {
        const headers = {
          "Content-Type": types[extname(file)] ?? "application/octet-stream",
          ...(isolated && {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
          }),
        };
        response.writeHead(200, headers).end(content);
      },
      () => response.writeHead(404).end(),
    );
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

export interface Studio extends AsyncDisposable {
  readonly url: string;
  readonly browser: Browser;
  /** A page at an address, at a size; `problems` is what went wrong in it, and requests to other places. */
  open(options?: PageOptions): Promise<{ readonly page: Page; readonly problems: string[] }>;
}

export interface PageOptions {
  readonly url?: string;
  readonly width?: number;
  readonly height?: number;
  readonly theme?: "light" | "dark";
}

/** Starts a browser and serves the page. */
export async function startStudio({ isolated = true, flags = [] as readonly string[] } = {}): Promise<Studio> {
  await buildPage();
  const server = await serveFolder(built, isolated);
  const browser = await chromium.launch({ executablePath: browserPath!, args: ["--no-sandbox", ...flags] });
  const { url } = server;
  return {
    url,
    browser,
    async open({ url: address = url, width = 1440, height = 900, theme = "light" } = {}) {
      const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
      const problems: string[] = [];
      page.on("pageerror", ({ message }) => problems.push(message));
      page.on("console", (message) => {
        if (message.type() === "error") problems.push(message.text());
      });
      page.on("request", (request) => {
        const { protocol, origin } = new URL(request.url());
        if (protocol.startsWith("http") && origin !== new URL(address).origin) problems.push(request.url());
      });
      await page.goto(address);
      return { page, problems };
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
