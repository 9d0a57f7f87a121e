/** The Watch view in a real browser, over the real server: runs that grow, that end, and that are dropped as files. */

import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { serveStudio, type Studio as Server } from "../../src/serve/server-node.ts";
import type { RunEvent } from "../../src/report/record.ts";
import { createRun } from "../../src/report/run-node.ts";
import { config, smallRecords, summary } from "../report/small-run.ts";
import { lines, writeRun, type Place } from "../serve/support.ts";
import { hasBrowser, startStudio, type Studio } from "./browser.ts";
import { seriousIn } from "./steps.ts";

const root = new URL("../..", import.meta.url).pathname;
const records = smallRecords();

describe.skipIf(!hasBrowser)("the Watch view", () => {
  let studio: Studio;
  let server: Server;
  let folder: string;
  const place = (): Pick<Place, "write"> => ({
    write(name, content) {
      const path = join(folder, name);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, content);
      return path;
    },
  });
  const addRun = (...[name, run]: [string, Parameters<typeof writeRun>[2]]): string =>
    writeRun(place() as Place, name, run);

  beforeAll(async () => {
    studio = await startStudio();
  }, 120_000);
  afterAll(() => studio[Symbol.asyncDispose]());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "secateur-watch-"));
    server = await serveStudio({ version: "1.2.3", page: join(root, "dist/studio"), runs: [folder] });
    return async () => {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    };
  });

  const openWatch = (options: object = {}) => studio.open({ url: `${server.url}#watch`, ...options });

  it("shows what a run adds to its record while it is looked at, and that it has ended", async () => {
    const events = addRun("small.run", { records: records.slice(0, 3), pid: process.pid });
    const { page, problems } = await openWatch();
    await page.getByRole("checkbox", { name: "small.run" }).check();
    await readout(page, "Loss", "0.500 at 1");
    await readout(page, "Top-1 over multiply-accumulates", "94.0 % at 100 %");
    await expectText(page, "100.0 % of the multiply-accumulates (400 k)");
    expect(await widths(page)).toEqual(["conv1.weight10", "fc1.weight20"]);
    appendFileSync(events, lines(records.slice(3, 6)));
    await readout(page, "Loss", "at 2");
    await expectText(page, "50.0 % of the multiply-accumulates (200 k)");
    await readout(page, "Top-1 over multiply-accumulates", "94.0 % at 100 %");
    expect(await widths(page)).toEqual(["conv1.weight10 → 7", "fc1.weight20 → 11"]);
    const before = await picture(page, "Loss");
    appendFileSync(events, lines(records.slice(6)));
    writeFileSync(join(folder, "small.run/summary.json"), JSON.stringify({ ...summary, output: "small.onnx" }));
    await readout(page, "Loss", "at 5");
    expect(before.equals(await picture(page, "Loss"))).toBe(false);
    await expectText(page, "ended: met");
    await readout(page, "Top-1 over multiply-accumulates", "small.run: 87.5 % at 50 %");
    await readout(page, "Top-1 over multiply-accumulates", "small.run, fine-tuned: 96.5 % at 50 %");
    expect(await page.getByRole("row", { name: "small.run" }).textContent()).toBe(
      "small.run50.0 %50.0 %top-1 94.0 %96.5 %",
    );
    expect(problems).toEqual([]);
    await page.close();
  });

  it("says how long a run will take", async () => {
    const began = Date.now() - 60_000;
    const at = (second: number) => ({ time: new Date(began + second * 1000).toISOString() });
    const step = {
      kind: "step",
      phase: "finetune",
      steps: 200,
      epoch: 1,
      epochs: 2,
      loss: 0.5,
      learningRate: 0.1,
    } as const;
    const own = Array.from({ length: 61 }, (_, i) => ({ ...step, ...at(i), step: i + 1 }));
    addRun("long.run", { command: "finetune", records: own, pid: process.pid });
    const { page } = await openWatch();
    // 61 steps in a minute: 139 more take 139 s.
    await page.getByText(/about 2 min 1\d s left/).waitFor();
    await expectText(page, "step 61 of 200, epoch 1 of 2");
    expect(await page.getByRole("progressbar", { name: "How far long.run is" }).getAttribute("value")).toBe("0.305");
    await page.close();
  });

  const writeSweep = (names: readonly string[]): void => {
    const runs = names.map((name) => ({ name, varied: {}, words: [] }));
    const sweep = { version: "1", model: { path: "net.onnx", sha256: "" }, threads: 1, runs };
    place().write("sweep/sweep.json", JSON.stringify(sweep));
  };

  it("draws several runs in one chart, and those of a sweep together", async () => {
    const names = ["1_macs-0.7", "2_macs-0.5"];
    writeSweep(names);
    for (const name of names) addRun(`sweep/${name}.run`, { output: "x.onnx" });
    addRun("other.run", { command: "train", started: "2020-01-02T03:04:05.000Z" });
    const { page, problems } = await openWatch();
    await page.getByRole("checkbox", { name: "sweep: all its runs" }).check();
    await readout(page, "Loss", "sweep/2_macs-0.5.run: ");
    await readout(page, "Loss", "sweep/1_macs-0.7.run: ");
    await expectText(page, "2 of 2 done");
    await page.getByLabel("Of the run").selectOption("sweep/2_macs-0.5.run");
    expect(await page.getByRole("table").getByRole("row").count()).toBe(3);
    await page.getByRole("checkbox", { name: "sweep: all its runs" }).uncheck();
    await expectText(page, "Choose a run to look at it.");
    expect(problems).toEqual([]);
    await page.close();
  });

  it("draws which runs of a sweep no other beats, as they come", async () => {
    const names = ["1_macs-0.7", "2_macs-0.5", "3_macs-0.4", "4_macs-0.3"] as const;
    writeSweep(names);
    const end = (name: string, macs: number, top1: number): void => {
      const { after } = summary;
      const reached = { ...after, costs: { ...after.costs, macs }, evaluation: { ...after.evaluation, top1 } };
      place().write(`sweep/${name}.run/summary.json`, JSON.stringify({ ...summary, after: reached, output: "x.onnx" }));
    };
    for (const name of names) addRun(`sweep/${name}.run`, { pid: process.pid });
    end(names[0], 280_000, 0.95);
    end(names[1], 200_000, 0.93);
    const { page, problems } = await openWatch();
    const chart = "Which runs of sweep are best";
    await readout(page, chart, "as little: 2_macs-0.5: 93.0 % at 50 %; 1_macs-0.7: 95.0 % at 70 %");
    await expectText(page, "2 of 4 so far");
    const before = await picture(page, chart);
    // As good as the dearest: that one is beaten. The last is less good, but costs least.
    end(names[2], 160_000, 0.95);
    end(names[3], 120_000, 0.5);
    await readout(page, chart, "as little: 4_macs-0.3: 50.0 % at 30 %; 3_macs-0.4: 95.0 % at 40 %");
    await expectText(page, "4 of 4 so far");
    expect(await page.getByText(/as little.*(1_macs|2_macs)/).count()).toBe(0);
    expect(before.equals(await picture(page, chart))).toBe(false);
    await page.getByRole("group", { name: `${chart}: the arrow keys read values` }).focus();
    await page.keyboard.press("Home");
    await readout(
      page,
      chart,
      "30 % multiply-accumulates that are left: the best for their cost 50.0 %, 4_macs-0.3 50.0 %",
    );
    await page.keyboard.press("End");
    await readout(page, chart, "the original 94.0 %");
    expect(problems).toEqual([]);
    await page.close();
  });

  it("lists a run before its first checkpoint, with its loss, and goes on with it behind that", async () => {
    const { page, problems } = await openWatch();
    await expectText(page, "There is no run to look at yet.");
    const own = { ...config, started: new Date().toISOString() };
    await using run = await createRun(join(folder, "young.run"), own, false);
    // What a removal tells is more than its record has.
    const told = records.filter(({ kind }) => kind !== "removal");
    const tell = (from: number, to: number): void => {
      for (const { time, ...event } of told.slice(from, to)) run.tell(event as unknown as RunEvent, time);
    };
    tell(0, 3);
    await readout(page, "Loss", "0.500 at 1");
    await expectText(page, "100.0 % of the multiply-accumulates (400 k)");
    await run.save([]);
    tell(3, told.length);
    await readout(page, "Loss", "at 5");
    expect(problems).toEqual([]);
    await page.close();
  });

  it("begins anew with a run that goes back to a checkpoint, and lists runs that begin", async () => {
    const events = addRun("small.run", { records: records.slice(0, 6), pid: process.pid });
    const { page } = await openWatch();
    await expectText(page, "50.0 % of the multiply-accumulates");
    writeFileSync(events, lines(records.slice(0, 3).map((one) => ({ ...one, time: "2026-03-03T03:03:03.000Z" }))));
    await expectText(page, "100.0 % of the multiply-accumulates");
    await readout(page, "Loss", "0.500 at 1");
    addRun("late.run", { records: records.slice(0, 3), pid: process.pid });
    await page.getByRole("checkbox", { name: "late.run" }).check();
    await readout(page, "Loss", "late.run: 0.500 at 1");
    await page.close();
  });

  it("says that the server was stopped, and gets nothing of another one", async () => {
    const events = addRun("small.run", { records: records.slice(0, 3), pid: process.pid });
    const { page } = await openWatch();
    await readout(page, "Loss", "0.500 at 1");
    const { port } = server;
    await server[Symbol.asyncDispose]();
    await expectText(page, "The server does not answer");
    appendFileSync(events, lines(records.slice(3, 6)));
    server = await serveStudio({ version: "1", page: join(root, "dist/studio"), runs: [folder], port });
    // Another start has another token: the page of the old one gets nothing.
    await page.waitForTimeout(3000);
    await expectText(page, "The server does not answer");
    expect(await page.getByText("at 2").count()).toBe(0);
    await page.close();
  });

  it("goes on where it was when the server is there again", async () => {
    const events = addRun("small.run", { records: records.slice(0, 3), pid: process.pid });
    await using line = await lineTo(server.port);
    const { page } = await openWatch({ url: server.url.replace(`:${server.port}`, `:${line.port}`) + "#watch" });
    await readout(page, "Loss", "0.500 at 1");
    await line.cut();
    await expectText(page, "The server does not answer");
    appendFileSync(events, lines(records.slice(3, 6)));
    await line.mend();
    await readout(page, "Loss", "at 2");
    await expect.poll(() => page.getByText("The server does not answer").count(), { timeout: 15_000 }).toBe(0);
    // Lines that were known come no second time: the loss of the first minibatch would stand behind the others.
    await expectText(page, "50.0 % of the multiply-accumulates (200 k)");
    expect(line.asked.findLast((path) => path.startsWith("/api/events"))).toMatch(/run=\w+~\d+-\d+-[\da-f]+$/);
    await page.close();
  });

  it("reads values by the keyboard", async () => {
    addRun("small.run", { output: "x.onnx" });
    const { page } = await openWatch();
    await readout(page, "Loss", "at 5");
    await page.getByRole("group", { name: "Loss: the arrow keys read values" }).focus();
    await page.keyboard.press("ArrowRight");
    await readout(page, "Loss", "1 minibatches: each minibatch 0.500, small.run 0.500");
    await page.keyboard.press("ArrowRight");
    await readout(page, "Loss", "2 minibatches: each minibatch 0.375");
    await page.keyboard.press("End");
    await readout(page, "Loss", "5 minibatches: each minibatch 0.188");
    await page.close();
  });

  it("takes the files of a run where there is no server, whole or damaged", async () => {
    const events = addRun("small.run", { output: "x.onnx" });
    const { page, problems } = await studio.open({ url: `${studio.url}#watch` });
    await expectText(page, "This page has no server that tells of runs");
    await page
      .getByLabel("Choose events.jsonl")
      .setInputFiles([events, ...["config", "summary"].map((name) => join(folder, `small.run/${name}.json`))]);
    await readout(page, "Loss", "at 5");
    await expectText(page, "ended: met");
    expect(await widths(page)).toEqual(["conv1.weight10 → 7", "fc1.weight20 → 11"]);
    const hostile = [
      "[]",
      "null",
      '{"kind":"step","step":"<b>"}',
      '{"kind":"removal","groups":[{"name":{}}]}',
      '{"kind":"constructor"}',
      "{",
      '{"kind":"half',
    ];
    writeFileSync(events, `${readFileSync(events, "utf8")}${hostile.join("\n")}`);
    await drop(page, "events.jsonl", readFileSync(events, "utf8"));
    await expectText(page, `1 of ${records.length + 6} lines are no JSON`);
    expect(problems).toEqual([]);
    await page.close();
  });

  it("fits a phone, and axe finds nothing serious, light and dark", async () => {
    addRun("small.run", { records: records.slice(0, 8), pid: process.pid });
    addRun("a run of a name that is long enough to need more than a line of a phone/small.run", { output: "x.onnx" });
    for (const [theme, width] of [
      ["light", 1440],
      ["dark", 380],
    ] as const) {
      const { page, problems } = await openWatch({ theme, width });
      await page.locator(".runs input").nth(1).waitFor();
      for (const box of await page.locator(".runs input").all()) await box.check();
      await readout(page, "Loss", "at 5");
      expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
      expect(await seriousIn(page)).toEqual([]);
      expect(problems).toEqual([]);
      await page.close();
    }
  });
});

/** A line to the server that can be cut, and mended at the same port. */
interface Line extends AsyncDisposable {
  readonly port: number;
  /** The paths that were asked for. */
  readonly asked: readonly string[];
  cut(): Promise<void>;
  mend(): Promise<void>;
}

async function lineTo(port: number): Promise<Line> {
  const asked: string[] = [];
  const line = createServer((from, to) => {
    asked.push(from.url!);
    const host = `127.0.0.1:${port}`;
    const { origin, ...headers } = from.headers;
    const sent = request({
      port,
      path: from.url,
      headers: { ...headers, host, ...(origin && { origin: `http://${host}` }) },
    });
    sent.on("response", (answer) => {
      to.writeHead(answer.statusCode!, answer.headers);
      answer.on("error", () => to.destroy());
      answer.pipe(to);
    });
    sent.on("error", () => to.destroy());
    to.on("close", () => sent.destroy());
    sent.end();
  });
  const listen = (at: number): Promise<void> => new Promise((resolve) => line.listen(at, "127.0.0.1", resolve));
  const cut = (): Promise<void> => {
    const closed = new Promise<void>((resolve) => line.close(() => resolve()));
    line.closeAllConnections();
    return closed;
  };
  await listen(0);
  const own = (line.address() as AddressInfo).port;
  return { port: own, asked, cut, mend: () => listen(own), [Symbol.asyncDispose]: cut };
}

const expectText = (page: Page, text: string): Promise<void> =>
  page.getByText(text).first().waitFor({ timeout: 15_000 });

/** Waits until the line below a chart says something. */
const readout = (page: Page, chart: string, text: string): Promise<void> =>
  page
    .getByRole("region", { name: chart, exact: true })
    .locator(".readout")
    .filter({ hasText: text })
    .waitFor({ timeout: 15_000 });

const picture = (page: Page, chart: string): Promise<Buffer> =>
  page.getByRole("region", { name: chart, exact: true }).locator("canvas").screenshot();

const widths = (page: Page): Promise<string[]> =>
  page.getByRole("region", { name: "Widths" }).getByRole("listitem").allTextContents();

/** Drops a file on the page. */
const drop = (page: Page, name: string, content: string): Promise<unknown> =>
  page.evaluate(`{
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([${JSON.stringify(content)}], ${JSON.stringify(name)}));
    dispatchEvent(new DragEvent("drop", { dataTransfer }));
  }`);
