/** Who the server answers, and what every answer says to the browser. */

import { connect } from "node:net";
import { mkdirSync, symlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentSecurityPolicy } from "../../src/serve/headers.ts";
import type { Studio } from "../../src/serve/server-node.ts";
import { ask, openPlace, writeRun } from "./support.ts";

const place = openPlace();
let studio: Studio;

beforeAll(async () => {
  place.write("page/assets/page.js", "export {};");
  place.write("page/assets/ort.wasm", new Uint8Array(8));
  place.write("page/.hidden", "secret");
  place.write("secret.txt", "secret");
  place.write("beside/secret.txt", "secret");
  symlinkSync(place.at("secret.txt"), place.at("page/out.txt"));
  symlinkSync(place.at("beside"), place.at("page/out"));
  symlinkSync(place.at("page/assets/page.js"), place.at("page/in.js"));
  mkdirSync(place.at("page-of-others"));
  place.write("page-of-others/secret.txt", "secret");
  writeRun(place, "runs/small.run", { output: place.at("small.onnx") });
  studio = await place.serve();
});
afterAll(() => place[Symbol.asyncDispose]());

const api = ["/api/state", "/api/model", "/api/runs", "/api/runs/x", "/api/nothing", "/api"];

describe("the token", () => {
  it.each(api)("is needed for %s", async (path) => {
    for (const asked of [{ token: null }, { token: "" }, { token: "wrong" }, { token: `${studio.token}x` }]) {
      const { status, text } = await ask(studio, path, asked);
      expect([status, JSON.parse(text).error]).toEqual([401, expect.stringContaining("token")]);
    }
  });

  it("does not count in the query, but for events", async () => {
    const query = `?token=${studio.token}`;
    for (const path of api) expect((await ask(studio, `${path}${query}`, { token: null })).status).toBe(401);
    const [{ id }] = JSON.parse((await ask(studio, "/api/runs")).text);
    const events = await ask(studio, `/api/runs/${id}/events${query}`, { token: null });
    expect([events.status, events.headers["content-type"]]).toEqual([200, "text/event-stream; charset=utf-8"]);
    expect((await ask(studio, `/api/runs/${id}/events?token=wrong`, { token: null })).status).toBe(401);
    expect((await ask(studio, `/api/runs/${id}/model${query}`, { token: null })).status).toBe(401);
  });

  it("is not needed for the page, and is not in it", async () => {
    const { status, text } = await ask(studio, "/", { token: null });
    expect([status, text]).toEqual([200, "<!doctype html><title>Studio</title>"]);
    expect(text).not.toContain(studio.token);
  });

  it("is long, and another for each server", async () => {
    const other = await place.serve();
    expect(other.token).not.toBe(studio.token);
    expect(Buffer.from(studio.token, "base64url").length).toBe(32);
    expect(studio.url).toBe(`http://127.0.0.1:${studio.port}/?token=${studio.token}`);
    expect((await ask(studio, "/api/state", { token: other.token })).status).toBe(401);
  });
});

describe("the address", () => {
  const paths = ["/", "/assets/page.js", "/api/state"];

  it.each(["127.0.0.1:1", "evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:PORT.evil.example"])(
    "is ours, and not %s",
    async (host) => {
      for (const path of paths) {
        const asked = { headers: { host: host.replace("PORT", String(studio.port)) } };
        expect((await ask(studio, path, asked)).status).toBe(403);
      }
    },
  );

  it("is named", async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(studio.port, "127.0.0.1");
      socket.on("data", (bytes) => resolve(String(bytes))).write("GET / HTTP/1.0\r\n\r\n");
    });
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
  });

  it("may be localhost", async () => {
    expect((await ask(studio, "/api/state", { headers: { host: `localhost:${studio.port}` } })).status).toBe(200);
  });

  it("is that of loopback alone", async () => {
    const reached = await new Promise((resolve) => {
      const socket = connect(studio.port, "127.0.0.2");
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    });
    expect(reached).toBe(false);
  });

  it.each(["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "https://127.0.0.1:PORT"])(
    "of the page that asks is ours, and not %s",
    async (origin) => {
      for (const path of paths) {
        const asked = { headers: { origin: origin.replace("PORT", String(studio.port)) } };
        expect((await ask(studio, path, asked)).status).toBe(403);
      }
    },
  );

  it.each(["http://127.0.0.1:PORT", "http://localhost:PORT"])("of the page may be %s", async (origin) => {
    const asked = { headers: { origin: origin.replace("PORT", String(studio.port)) } };
    for (const path of paths) expect((await ask(studio, path, asked)).status).toBe(200);
  });

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])("is not asked by %s", async (method) => {
    for (const path of ["/", "/api/state"]) {
      const { status, headers } = await ask(studio, path, { method });
      expect([status, headers.allow]).toEqual([405, "GET, HEAD"]);
    }
  });

  it("is asked by HEAD for headers only", async () => {
    for (const path of [...paths, "/api/runs"]) {
      const [head, get] = [await ask(studio, path, { method: "HEAD" }), await ask(studio, path)];
      expect([head.status, head.bytes.length]).toEqual([200, 0]);
      expect(head.headers["content-length"]).toBe(String(get.bytes.length));
    }
  });
});

describe("paths", () => {
  it.each([
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E%2fsecret.txt",
    "/..%2fsecret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/%2fetc/passwd",
    "//etc/passwd",
    "//secret.txt",
    "/assets/page.js%00",
    "/%00",
    "/../page-of-others/secret.txt",
    "/out.txt",
    "/out/secret.txt",
    "/.hidden",
    "/assets",
    "/assets/",
    "/%zz",
    "/c:/secret.txt",
    "/secret.txt",
    "http://127.0.0.1/../secret.txt",
  ])("do not lead outside: %s", async (path) => {
    const { status, text } = await ask(studio, path);
    expect(status).toBe(404);
    expect(text).not.toContain("secret");
  });

  it("of a link that stays inside are followed", async () => {
    expect((await ask(studio, "/in.js")).text).toBe("export {};");
  });

  it("may have a query, and parts that are encoded", async () => {
    expect((await ask(studio, "/assets/p%61ge.js?v=1")).text).toBe("export {};");
  });
});

describe("headers", () => {
  it.each([
    ["/", 200, "text/html; charset=utf-8"],
    ["/assets/page.js", 200, "text/javascript; charset=utf-8"],
    ["/assets/ort.wasm", 200, "application/wasm"],
    ["/nothing.html", 404, "application/json; charset=utf-8"],
    ["/api/state", 200, "application/json; charset=utf-8"],
    ["/api/nothing", 404, "application/json; charset=utf-8"],
  ])("of %s keep others out", async (path, status, type) => {
    const answer = await ask(studio, path);
    expect([answer.status, answer.headers["content-type"]]).toEqual([status, type]);
    expect(answer.headers).toMatchObject({
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "cross-origin-resource-policy": "same-origin",
      "content-security-policy": contentSecurityPolicy,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    });
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  });

  it("allow no script, frame or address of elsewhere", () => {
    const rules = new Map(
      contentSecurityPolicy.split("; ").map((rule) => [rule.split(" ")[0], rule.split(" ").slice(1)]),
    );
    expect(rules.get("default-src")).toEqual(["'none'"]);
    expect(rules.get("script-src")).toEqual(["'self'", "'wasm-unsafe-eval'"]);
    expect(rules.get("frame-ancestors")).toEqual(["'none'"]);
    expect(contentSecurityPolicy).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
  });

  it("of refusals keep others out too", async () => {
    for (const asked of [{ token: null }, { method: "POST" }, { headers: { host: "evil.example" } }])
      expect((await ask(studio, "/api/state", asked)).headers["content-security-policy"]).toBe(contentSecurityPolicy);
  });
});
