/**
 * Ctrl-C, as a shell sees it: a process that gets the signal while onnxruntime computes.
 *
 * @module-tag laws
 */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openWorkshop, secateur, writeDigits } from "./support.ts";

const workshop = openWorkshop();
const { folder, at } = workshop;
const main = join(import.meta.dirname, "../../dist/cli/main.js");

beforeAll(async () => {
  writeDigits(workshop);
  await secateur(["new", "lenet5", "--seed", "1", "-o", at("net.onnx")]);
});
afterAll(() => workshop.remove());

/** Runs a command and interrupts it when it says something. */
function interrupt(words: readonly string[], when: string): Promise<{ code: number | null; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...words], { stdio: ["ignore", "ignore", "pipe"] });
    let [err, told] = ["", false];
    child.stderr.on("data", (text: Buffer) => {
      err += String(text);
      if (told || !err.includes(when)) return;
      told = true;
      child.kill("SIGINT");
    });
    child.on("close", (code) => resolve({ code, err }));
  });
}

const digits = ["--data", `mnist:${folder}`, "--threads", "1", "--batch-size", "64"];
const whenever = "says how to go on, and leaves with exit code 130";

it.skipIf(process.platform === "win32").each([
  ["train", ["--epochs", "100000"], "epoch 2"],
  ["prune", ["--units", "0.05", "--units-per-step", "1", "--every", "1"], "removal "],
])(`%s ${whenever}`, async (command, more, when) => {
  const run = at(`${command}.run`);
  const words = [command, at("net.onnx"), ...digits, ...more, "--run", run, "-o", at(`${command}.onnx`)];
  const { code, err } = await interrupt(words, when);
  expect(err.trim().split("\n").at(-1)).toBe(`interrupted; secateur ${command} --resume ${run} goes on`);
  expect(code).toBe(130);
});
