/** What the server tells of models and runs. */

import { appendFileSync, mkdirSync, symlinkSync, truncateSync } from "node:fs";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeModelExternal } from "../../src/onnx/encode.ts";
import { float32 } from "../../src/graph/tensor.ts";
import type { ListedRun } from "../../src/serve/runs-node.ts";
import type { Studio } from "../../src/serve/server-node.ts";
import { summary } from "../report/small-run.ts";
import { modelOf, node, noise, value } from "../onnx/support.ts";
import { ask, askJson, openPlace, writeRun } from "./support.ts";

const place = openPlace();
let studio: Studio;
const big = 40_000_000;

beforeAll(async () => {
  const initializers = new Map([["w", float32([64, 64], noise(64 * 64))]]);
  const net = modelOf(17, {
    inputs: [value("x", ["n", 64])],
    outputs: [value("y")],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    initializers,
  });
  const { bytes, data } = encodeModelExternal(net, "weights/net data.bin", 0);
  place.write("nets/net.onnx", bytes);
  place.write("nets/weights/net data.bin", Buffer.concat([...data]));
  place.write("nets/weights/other.bin", "secret");
  studio = await place.serve({ model: place.at("nets/net.onnx") });
});
afterAll(() => place[Symbol.asyncDispose]());

const list = (of = studio): Promise<ListedRun[]> => askJson(of, "/api/runs");
const byName = async (name: string, of = studio): Promise<ListedRun> =>
  (await list(of)).find((run) => run.name === name)!;

describe("the model", () => {
  it("is described, with the files beside it", async () => {
    const { bytes } = await ask(studio, "/api/model");
    expect(await askJson(studio, "/api/state")).toEqual({
      version: "1.2.3",
      model: { name: "net.onnx", bytes: bytes.length, external: ["weights/net data.bin"] },
      runs: (await list()).length,
    });
  });

  it("is sent with what it names, and with nothing else", async () => {
    const { status, headers, bytes } = await ask(
      studio,
      `/api/model/external/${encodeURIComponent("weights/net data.bin")}`,
    );
    expect([status, headers["content-type"], bytes.length]).toEqual([200, "application/octet-stream", 64 * 64 * 4]);
    expect((await ask(studio, "/api/model/external/weights/net%20data.bin")).bytes.length).toBe(64 * 64 * 4);
    for (const name of ["weights/other.bin", "net.onnx", "../nets/weights/net data.bin", "", "constructor"])
      expect((await ask(studio, `/api/model/external/${encodeURIComponent(name)}`)).status).toBe(404);
    expect((await ask(studio, "/api/model/external")).status).toBe(404);
    expect((await ask(studio, "/api/model/other")).status).toBe(404);
  });

  it("may be missing", async () => {
    const other = await place.serve();
    expect(await askJson(other, "/api/state")).toEqual({ version: "1.2.3", runs: (await list()).length });
    expect((await ask(other, "/api/model")).status).toBe(404);
  });

  it("is refused where it is none", async () => {
    const broken = place.write("broken.onnx", "no model");
    await expect(place.serve({ model: broken })).rejects.toThrow(/not an ONNX model/);
    await expect(place.serve({ model: place.at("none.onnx") })).rejects.toThrow(/no such file/);
  });

  it("is sent from the disk at its length, however large", async () => {
    const path = place.write("runs/big.onnx", "first");
    truncateSync(path, big - 4);
    appendFileSync(path, "last");
    writeRun(place, "runs/big.run", { output: path });
    const { headers, bytes } = await ask(studio, `/api/runs/${(await byName("big.run")).id}/model`);
    expect([headers["content-length"], bytes.length]).toEqual([String(big), big]);
    expect([bytes.toString("utf8", 0, 5), bytes.toString("utf8", big - 4)]).toEqual(["first", "last"]);
    expect(bytes.subarray(5, -4).every((byte) => byte === 0)).toBe(true);
  });

  it("that becomes shorter while it is sent ends the connection, so that nobody waits", { timeout: 3000 }, async () => {
    const path = place.write("runs/shrinks.onnx", "");
    truncateSync(path, big);
    writeRun(place, "runs/shrinks.run", { output: path });
    const { id } = await byName("shrinks.run");
    const sent = ask(studio, `/api/runs/${id}/model`, {
      headers: { connection: "keep-alive" },
      onBegin: () => truncateSync(path, 10),
    });
    await expect(sent).rejects.toThrow(/aborted/);
  });
});

describe("runs", () => {
  it("are found two levels deep, newest first, with what they reached", async () => {
    const own = openPlace();
    const other = await own.serve();
    writeRun(own, "runs/a.run", { started: "2026-01-02T03:04:05.000Z", output: "small.onnx" });
    writeRun(own, "runs/more/b.run", { started: "2026-01-03T03:04:05.000Z", pid: process.pid });
    writeRun(own, "runs/more/c.run", { started: "2026-01-01T03:04:05.000Z", command: "train" });
    writeRun(own, "runs/more/deep/d.run");
    writeRun(own, "runs/node_modules/e.run");
    writeRun(own, "runs/.hidden/f.run");
    own.write("runs/net/config.json", '{ "model_type": "bert" }');
    own.write("runs/damaged/config.json", "{");
    const found = await list(other);
    expect(found.map(({ name, command, state, model }) => [name, command, state, model])).toEqual([
      ["more/b.run", "prune", "running", "digits.onnx"],
      ["a.run", "prune", "ended", "digits.onnx"],
      ["more/c.run", "train", "stopped", "digits.onnx"],
    ]);
    const { groups: _, ...after } = summary.after;
    expect(found[1]).toMatchObject({
      started: "2026-01-02T03:04:05.000Z",
      ended: "2026-01-02T03:04:20.000Z",
      figures: { end: "met", removals: 2, drop: -2.5, after },
    });
    expect(found[0]).toMatchObject({ last: "2026-01-02T03:04:20.000Z" });
    expect(found[0]).not.toHaveProperty("ended");
    expect(found[0]).not.toHaveProperty("figures");
    expect(await list(await own.serve({ runs: [own.at("runs/a.run")] }))).toMatchObject([
      { name: "a.run", id: found[1]!.id },
    ]);
    await own[Symbol.asyncDispose]();
  });

  it("behind links are not looked for", async () => {
    writeRun(place, "elsewhere/l.run");
    symlinkSync(place.at("elsewhere"), place.at("runs/linked"));
    expect(await byName("linked/l.run")).toBeUndefined();
  });

  it("are told in full, with the row of each removal", async () => {
    writeRun(place, "runs/full.run", { output: place.write("runs/full.onnx", "model") });
    const { id, ...listed } = await byName("full.run");
    expect(await askJson(studio, `/api/runs/${id}`)).toMatchObject({
      ...listed,
      config: { repeat: expect.stringContaining("secateur prune") },
      summary: { end: "met" },
      removals: [
        { step: 1, units: 24 },
        { step: 2, units: 18 },
      ],
      output: { name: "full.onnx", bytes: 5 },
    });
    expect((await ask(studio, `/api/runs/${id}/model`)).text).toBe("model");
    writeRun(place, "runs/learned.run", { command: "train" });
    const learned = await byName("learned.run");
    expect(await askJson(studio, `/api/runs/${learned.id}`)).toMatchObject({ summary: null, epochs: [] });
    expect((await ask(studio, `/api/runs/${learned.id}/model`)).status).toBe(404);
  });

  it("that are damaged say so, and the others are listed", async () => {
    writeRun(place, "runs/bad.run", { output: "x.onnx" });
    place.write("runs/bad.run/summary.json", "{");
    expect(await byName("bad.run")).toMatchObject({ problem: expect.stringContaining("is damaged"), state: "ended" });
    place.write("runs/bad.run/summary.json", '{ "removals": 1, "before": null }');
    expect(await byName("bad.run")).toMatchObject({ problem: "summary.json is damaged: it is no summary" });
    writeRun(place, "runs/worse.run");
    appendFileSync(place.at("runs/worse.run/events.jsonl"), "no json\n");
    const { status, text } = await ask(studio, `/api/runs/${(await byName("worse.run")).id}`);
    expect([status, JSON.parse(text).error]).toEqual([
      500,
      expect.stringMatching(/events\.jsonl is damaged: line \d+/),
    ]);
  });

  it.each([
    ["an absolute path", () => place.write("secret.onnx", "secret")],
    ["a way up", () => "../../../secret.onnx"],
    [
      "a link",
      () => {
        symlinkSync(place.write("secret.onnx", "secret"), place.at("runs/link.onnx"));
        return place.at("runs/link.onnx");
      },
    ],
    ["a folder", () => place.at("runs")],
  ])("give no file outside of their folders, named by %s", async (what, name) => {
    const run = `runs/to ${what}.run`;
    writeRun(place, run, { output: name() });
    const { id } = await byName(run.slice("runs/".length));
    expect((await ask(studio, `/api/runs/${id}/model`)).status).toBe(404);
    expect(await askJson(studio, `/api/runs/${id}`)).not.toHaveProperty("output");
  });

  it.each(["nothing", "..", "%2e%2e", "full.run", "%2fetc", "__proto__"])(
    "of no known id are not there: %s",
    async (id) => {
      for (const rest of ["", "/events", "/model", "/other", "/model/external/x"])
        expect((await ask(studio, `/api/runs/${id}${rest}`)).status).toBe(404);
    },
  );
});

describe("sweeps", () => {
  it("are listed with how many runs are done, and told by rows", async () => {
    const runs = ["1_macs-0.7", "2_macs-0.5"].map((name) => ({ name, varied: { macs: name.slice(-3) }, words: [] }));
    place.write(
      "runs/more/sweep/sweep.json",
      JSON.stringify({ version: "1", model: { path: "nets/net.onnx", sha256: "" }, threads: 1, runs }),
    );
    const output = place.write("runs/more/sweep/1_macs-0.7.onnx", "small");
    writeRun(place, "runs/more/sweep/1_macs-0.7.run", { output });
    const sweep = await byName("more/sweep");
    expect(sweep).toMatchObject({
      command: "sweep",
      model: "net.onnx",
      state: "stopped",
      figures: { runs: 2, done: 1 },
    });
    expect(sweep).not.toHaveProperty("ended");
    const one = await byName("more/sweep/1_macs-0.7.run");
    expect(sweep.runs).toEqual([one.id]);
    expect(await askJson(studio, `/api/runs/${sweep.id}`)).toMatchObject({
      rows: [{ id: one.id, run: "1_macs-0.7", varied: { macs: "0.7" }, macs: 200_000 }],
      front: ["1_macs-0.7"],
    });
    expect((await ask(studio, `/api/runs/${sweep.id}/events`)).status).toBe(404);
    expect((await ask(studio, `/api/runs/${one.id}/model`)).text).toBe("small");
    writeRun(place, "runs/more/sweep/2_macs-0.5.run", { pid: process.pid });
    expect(await byName("more/sweep")).toMatchObject({ state: "running" });
    writeRun(place, "runs/more/sweep/2_macs-0.5.run", { output });
    expect(await byName("more/sweep")).toMatchObject({ state: "ended", ended: one.ended, figures: { done: 2 } });
  });
});

describe("a server", () => {
  it("that ends does not wait for who reads slowly", { timeout: 3000 }, async () => {
    const path = place.write("runs/slow.onnx", "");
    truncateSync(path, big);
    writeRun(place, "runs/slow.run", { output: path });
    const own = await place.serve();
    const { id } = await byName("slow.run", own);
    const slow = request({
      port: own.port,
      path: `/api/runs/${id}/model`,
      headers: { authorization: `Bearer ${own.token}` },
    });
    const begun = once(slow, "response");
    slow.on("error", () => {}).end();
    const [response] = (await begun) as [IncomingMessage];
    response.on("error", () => {});
    await own[Symbol.asyncDispose]();
  });

  it("says what is missing before it listens", async () => {
    mkdirSync(place.at("empty"));
    await expect(place.serve({ page: place.at("empty") })).rejects.toThrow(/npm run build:studio/);
    await expect(place.serve({ runs: [place.at("none")] })).rejects.toThrow(/none: there is no folder/);
    await expect(place.serve({ port: studio.port })).rejects.toThrow(/it is taken; give another by `port`/);
  });
});
