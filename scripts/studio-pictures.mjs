/**
 * Takes the pictures of Studio in docs/studio: every view, wide and narrow, light and dark, of the demo's net and digits of
 * MNIST, with a run of pruning to watch. Needs chromium and `npm run demo`, which fetches the digits.
 *
 * Usage: npm run pictures -- [--mnist data/mnist]
 */

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { openDataset } from "../dist/node.js";

process.chdir(new URL("..", import.meta.url).pathname);
const { values } = parseArgs({ options: { mnist: { type: "string", default: "data/mnist" } } });
const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (executablePath === undefined || !existsSync(values.mnist)) {
  console.error(`this takes chromium and the digits in ${values.mnist}, which npm run demo fetches`);
  process.exit(2);
}

const cli = "dist/cli/main.js";
const model = "scripts/demo/digits.onnx";
const [digits, waiting] = [200, 120_000];
const shapes = [
  ["light", 1440, 900],
  ["dark", 1440, 900],
  ["light", 380, 800],
  ["dark", 380, 800],
];

const folder = await mkdtemp(join(tmpdir(), "secateur-pictures-"));
try {
  await mkdir("docs/studio", { recursive: true });
  const run = join(folder, "small.onnx");
  const args = ["prune", model, "--data", `mnist:${values.mnist}`, "--macs", "0.4", "--epochs", "1", "--seed", "1"];
  const { status } = spawnSync(process.execPath, [cli, ...args, "-o", run], { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) process.exit(1);
  const pictures = await writeDigits(folder, digits);
  const { url, stop } = await serve(["studio", model, "--runs", folder, "--no-open", "--json"]);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  for (const shape of shapes) await takeAll(browser, url, shape, pictures, run);
  await browser.close();
  stop();
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Digits of the test set as files. */
async function writeDigits(into, count) {
  const data = await openDataset(`mnist:${values.mnist}`, { split: "test" });
  const images = await data.stored.read(0, count);
  return Promise.all(
    images.map(async ({ image }, i) => {
      const path = join(into, `digit-${i}.png`);
      await sharp(image, { raw: { width: 28, height: 28, channels: 1 } })
        .png()
        .toFile(path);
      return path;
    }),
  );
}

/** Starts the server, and reads its address. */
function serve(command) {
  const server = spawn(process.execPath, [cli, ...command], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    server.once("exit", () => reject(new Error("the server has ended")));
    server.stdout.once("data", (line) =>
      resolve({ url: JSON.parse(String(line)).url, stop: () => server.removeAllListeners("exit").kill("SIGINT") }),
    );
  });
}

async function takeAll(browser, url, [theme, width, height], pictures, small) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
  page.setDefaultTimeout(waiting);
  const take = async (name) => {
    await page.waitForTimeout(600);
    const png = await page.screenshot();
    await writeFile(`docs/studio/${name}-${width}-${theme}.png`, await sharp(png).png({ palette: true }).toBuffer());
  };
  const go = (view) => page.getByRole("link", { name: view, exact: true }).click();
  await page.goto(url);
  await page.locator(".details h2").waitFor();
  await go("Prune");
  await page.locator("input[type=file]").first().setInputFiles(pictures);
  await page.getByText(`${digits} samples of`).waitFor();
  await page.getByRole("button", { name: "Measure importance" }).click();
  await page.getByText("Importance by taylor-fo").waitFor();
  await page.locator(".slider input").fill("40");
  await page.getByText("predicts that the loss").waitFor();
  await page.evaluate("document.activeElement?.blur(); document.querySelector('main').scrollTo(0, 0)");
  await take("prune");
  await go("Network");
  await page.locator("canvas").focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press("ArrowDown");
  await take("network");
  await go("Compare");
  await page
    .locator("input[type=file]")
    .first()
    .setInputFiles({
      name: "small.onnx",
      mimeType: "application/octet-stream",
      buffer: await readFile(small),
    });
  await page.getByText("Where they differ most").waitFor();
  await take("compare");
  await go("Watch");
  await page.waitForTimeout(1500);
  await take("watch");
  await page.close();
}
