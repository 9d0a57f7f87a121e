/**
 * How long Studio takes: from the drop of a model to its drawing, from a move of a slider to the figures, and to measure importance and to
 * learn in the page beside Node, in turns on the same pictures.
 *
 * Usage: npm run bench:studio -- --model resnet50.onnx [--rounds 3] [--threads 2]
 *
 * Needs chromium. Writes bench/results/studio.json.
 */

import { existsSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { arrayDataset, load, prune, score, split } from "../dist/node.js";
import { serveStudio } from "../dist/serve/server-node.js";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
  },
});
const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (executablePath === undefined || flags.model === undefined) {
  console.error("this takes chromium and --model FILE.onnx, as ResNet-50 of torchvision");
  process.exit(2);
}
const [rounds, threads] = [Number(flags.rounds), Number(flags.threads)];
const digits = new URL("../scripts/demo/digits.onnx", import.meta.url).pathname;
const [count, waiting] = [160, 600_000];
const learning = { share: 0.7, epochs: 1, batchSize: 16 };

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

const folder = await mkdtemp(join(tmpdir(), "secateur-bench-"));
const pictures = await draw(folder, count);
const server = await serveStudio({ version: "bench", runs: [folder] });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const opened = [];
  for (let round = 0; round < rounds; round++) opened.push(await open(flags.model));
  const turns = [];
  for (let round = 0; round < rounds; round++) {
    const page = await inPage();
    const node = await inNode();
    turns.push({ page, node });
    console.error(JSON.stringify(turns.at(-1)));
  }
  const ratio = (what) => median(turns.map(({ page, node }) => page[what] / node[what]));
  const result = {
    date: new Date().toISOString().slice(0, 10),
    command: `npm run bench:studio -- --model ${flags.model.split("/").at(-1)} --rounds ${rounds} --threads ${threads}`,
    node: process.version,
    cpu: cpus()[0].model,
    browser: browser.version(),
    open: { ms: opened.map(({ ms }) => ms), median: median(opened.map(({ ms }) => ms)) },
    figures: { ms: opened.flatMap(({ figures }) => figures) },
    score: { seconds: turns.map(({ page, node }) => [page.score, node.score]), ratio: ratio("score") },
    learn: { seconds: turns.map(({ page, node }) => [page.learn, node.learn]), ratio: ratio("learn") },
  };
  writeFileSync(new URL("results/studio.json", import.meta.url), `${JSON.stringify(result, undefined, 2)}\n`);
  console.log(JSON.stringify(result, undefined, 2));
} finally {
  await browser.close();
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}

/** A model is opened, and the slider moved when all units have been ranked. */
async function open(model) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(waiting);
  await page.goto(server.url);
  await page.locator("input[type=file]").first().setInputFiles(model);
  await page.locator(".details h2").waitFor();
  const measured = (name) =>
    page.evaluate((of) => performance.getEntriesByName(of).map(({ duration }) => duration), `secateur: ${name}`);
  const [ms] = await measured("open");
  await page.getByRole("link", { name: "Prune", exact: true }).click();
  await page.waitForTimeout(5000);
  const before = (await measured("figures")).length;
  for (const share of [80, 65, 50, 35]) {
    await page.locator(".slider input").fill(String(share));
    await page.waitForTimeout(500);
  }
  for (const units of [20, 30, 40]) {
    await page.locator(".widths input[type=range]").first().fill(String(units));
    await page.waitForTimeout(500);
  }
  const figures = (await measured("figures")).slice(before).map((one) => Math.round(10 * one) / 10);
  await page.close();
  return { ms: Math.round(ms), figures };
}

async function inPage() {
  const page = await browser.newPage();
  page.setDefaultTimeout(waiting);
  await page.goto(server.url);
  await page.locator("input[type=file]").first().setInputFiles(digits);
  await page.locator(".details h2").waitFor();
  await page.getByRole("link", { name: "Prune", exact: true }).click();
  await page.locator("input[type=file]").first().setInputFiles(pictures.paths);
  await page.getByText(`${count} samples of`).waitFor();
  await page.getByRole("button", { name: "Measure importance" }).click();
  const secondsIn = async (text) => Number(/in ([\d.]+) s/.exec(await page.getByText(text).first().textContent())[1]);
  await page.getByText(/^Importance by taylor-fo, in/).waitFor();
  const scored = await secondsIn(/^Importance by taylor-fo, in/);
  await page.locator(".slider input").fill(String(100 * learning.share));
  await page.getByLabel("Epochs of fine-tuning").fill(String(learning.epochs));
  await page.getByLabel("Samples of a minibatch").fill(String(learning.batchSize));
  const started = performance.now();
  await page.getByRole("button", { name: "Prune and learn" }).click();
  await page.getByText("decisions are kept on").waitFor();
  const learn = (performance.now() - started) / 1000;
  await page.close();
  return { score: scored, learn };
}

/** The same by the library in Node. */
async function inNode() {
  const model = await load(digits);
  const data = arrayDataset({
    name: "discs",
    inputs: { "": { dtype: "uint8", shape: [count, 1, 28, 28], data: pictures.bytes } },
  });
  let started = performance.now();
  await score(model, { data, targets: "sampled", batchSize: 32, batches: 10, threads });
  const scored = (performance.now() - started) / 1000;
  const { rest, heldOut } = split(data, 0.2, 0);
  const { share, ...options } = learning;
  started = performance.now();
  await prune(model, {
    ...options,
    data: rest,
    validation: heldOut,
    targets: "teacher",
    budget: { macs: share },
    criterion: "taylor-fo",
    threads,
    workers: 1,
  });
  return { score: scored, learn: (performance.now() - started) / 1000 };
}

/** Discs, large and small, as files and as bytes. */
async function draw(into, many) {
  const paths = [];
  const bytes = new Uint8Array(many * 784);
  for (let i = 0; i < many; i++) {
    const disc = `<circle cx="${8 + (i % 12)}" cy="${9 + (i % 9)}" r="${3 + (i % 7)}" fill="#fff"/>`;
    const image = sharp(
      Buffer.from(`<svg width="28" height="28"><rect width="28" height="28"/>${disc}</svg>`),
    ).grayscale();
    paths.push(join(into, `disc-${i}.png`));
    await image.clone().png().toFile(paths[i]);
    bytes.set(await image.raw().toBuffer(), i * 784);
  }
  return { paths, bytes };
}
