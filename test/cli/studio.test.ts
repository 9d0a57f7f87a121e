/** secateur studio: what it prints, and how it ends. */

import { spawn } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { stdout } from "node:process";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

const { openBrowser, place } = vi.hoisted(() => ({ openBrowser: vi.fn(), place: { page: "" } }));
vi.mock("../../src/cli/open-browser.ts", () => ({ openBrowser }));
// The page is built by another command than the tests' own.
vi.mock("../../src/serve/server-node.ts", async (original) => {
  const { serveStudio } = await original<typeof import("../../src/serve/server-node.ts")>();
  return { serveStudio: (options: object) => serveStudio({ ...options, ...place } as never) };
});

// Other files of tests may have loaded the command: it is loaded anew, with what stands in for parts of it.
vi.resetModules();
const { openWorkshop, secateur } = await import("./support.ts");
const workshop = openWorkshop();
const { folder, at, write } = workshop;
const root = join(import.meta.dirname, "../..");
const taken = createServer();

beforeAll(async () => {
  mkdirSync(at("page"));
  write("page/index.html", "<!doctype html>");
  place.page = at("page");
  await secateur(["new", "lenet5", "--seed", "1", "-o", at("net.onnx")]);
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  taken.close();
  workshop.remove();
  vi.doUnmock("../../src/cli/open-browser.ts");
  vi.doUnmock("../../src/serve/server-node.ts");
  vi.resetModules();
});

/** Runs the command until it has printed an address, then ends it. */
async function serve(words: readonly string[], visit: (url: URL) => Promise<void> = async () => {}) {
  const abort = new AbortController();
  let visited: Promise<void> | undefined;
  const ran = await secateur(["studio", ...words], abort.signal, () => {
    visited ??= (async () => {
      const printed = vi
        .mocked(stdout.write)
        .mock.calls.map(([text]) => String(text))
        .join("");
      await visit(new URL(/http:[^"\s]+/.exec(printed)![0]));
    })().finally(() => abort.abort());
  });
  await visited;
  return ran;
}

describe("secateur studio", () => {
  it("prints an address that serves the page, the model and runs, until it is stopped", async () => {
    let port = "";
    const { code, out, err } = await serve([at("net.onnx"), "--runs", folder], async (url) => {
      port = url.port;
      expect((await fetch(url)).status).toBe(200);
      const headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
      expect(await (await fetch(new URL("/api/state", url), { headers })).json()).toMatchObject({
        model: { name: "net.onnx", external: [] },
        runs: 0,
      });
    });
    expect(code).toBe(0);
    expect(out).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}\n$/);
    expect(err).toBe("Ctrl-C ends the server\n");
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow("fetch failed");
  });

  it("prints a line of JSON where that is asked for", async () => {
    const { out } = await serve(["--runs", folder, "--json"]);
    expect(Object.keys(JSON.parse(out))).toEqual(["url"]);
    expect(out.trim()).not.toContain("\n");
  });

  it("opens a browser on a terminal only, unless it is told not to", async () => {
    await serve(["--runs", folder]);
    expect(openBrowser).not.toHaveBeenCalled();
    const { isTTY } = stdout;
    stdout.isTTY = true;
    try {
      await serve(["--runs", folder, "--no-open"]);
      expect(openBrowser).not.toHaveBeenCalled();
      const { out } = await serve(["--runs", folder]);
      expect(openBrowser.mock.calls.map(([url]) => url)).toEqual([out.trim()]);
    } finally {
      stdout.isTTY = isTTY;
    }
  });

  it.each([
    ["a model that is not there", () => [at("none.onnx")], /cannot read .*none\.onnx: no such file/],
    ["what is no model", () => [write("broken.onnx", "x")], /broken\.onnx: this is not an ONNX model/],
    ["a folder that is not there", () => ["--runs", at("none")], /none: there is no folder to look for runs in/],
    ["a port that is none", () => ["--port", "0"], /It must be a whole number from 1 to 65535/],
    [
      "a port that is taken",
      () => ["--port", String((taken.address() as AddressInfo).port)],
      /cannot listen on port \d+: it is taken; give another by --port/,
    ],
  ])("refuses %s", async (_, words, why) => {
    const { code, err } = await secateur(["studio", ...words()]);
    expect([code, err]).toEqual([2, expect.stringMatching(why)]);
  });

  it.skipIf(process.platform === "win32")("ends by Ctrl-C, although a page is open", async () => {
    const built = at("package");
    cpSync(join(root, "dist"), join(built, "dist"), { recursive: true });
    cpSync(join(root, "package.json"), join(built, "package.json"));
    symlinkSync(join(root, "node_modules"), join(built, "node_modules"));
    cpSync(at("page"), join(built, "dist/studio"), { recursive: true });
    const child = spawn(process.execPath, [join(built, "dist/cli/main.js"), "studio", "--runs", folder, "--json"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const closed = new Promise((resolve) => child.on("close", resolve));
    const url = await new Promise<string>((resolve) =>
      child.stdout.once("data", (text: Buffer) => resolve((JSON.parse(String(text)) as { url: string }).url)),
    );
    expect(await (await fetch(url)).text()).toBe("<!doctype html>");
    child.kill("SIGINT");
    expect(await closed).toBe(0);
  });
});
