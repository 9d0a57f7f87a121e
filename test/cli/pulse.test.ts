/**
 * Signs of life while the thread that works is blocked, and few lines where they stay.
 *
 * @module-tag laws
 */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { patience } from "../../src/cli/patience.ts";

const run = promisify(execFile);
const progress = pathToFileURL(join(import.meta.dirname, "../../dist/cli/progress.js")).href;

/**
 * Runs a program with `createProgress`, and a `block` that keeps its thread from doing anything else.
 *
 * @returns what it writes to stderr
 */
const saidBy = async (program: string): Promise<string> => {
  const text = `import { createProgress } from ${JSON.stringify(progress)};
const block = (ms) => { const end = performance.now() + ms; while (performance.now() < end); };
${program}`;
  const { stderr } = await run(process.execPath, ["--input-type=module", "--eval", text]);
  return stderr;
};

/** The same on a terminal, whose lines are written in each other's place. */
const shownBy = async (program: string): Promise<string[]> => {
  const said = await saidBy(`process.stderr.isTTY = true;\n${program}`);
  return said
    .replaceAll("\r\u001B[2K", "\n")
    .split("\n")
    .filter((line) => line !== "");
};

describe("a thread that is blocked", () => {
  it("is spoken for from the first moment, and by what it said it would do", async () => {
    const lines = await shownBy(`const progress = createProgress("reading");
block(2600);
progress.update("building");
block(4600);
progress.done("built");`);
    expect(lines[0]).toBe("reading (2 s)");
    expect(lines).toContain("building");
    expect(lines.filter((line) => /^building \(\d s\)$/.test(line)).length).toBeGreaterThanOrEqual(2);
    expect(lines.at(-1)).toBe("built");
  }, 20_000);

  it("that ends is spoken for no more, and is not kept alive", async () => {
    const lines = await shownBy(`const progress = createProgress("reading");
progress.done("read");
progress[Symbol.dispose]();
await new Promise((resolve) => setTimeout(resolve, 2600));
console.error("end");
createProgress("left behind");`);
    expect(lines).toEqual(["read", "end"]);
  }, 20_000);
});

describe("where stderr is no terminal", () => {
  it("progress is a line for each event and each tenth, and no repeats", async () => {
    const said = await saidBy(`const progress = createProgress("reading");
for (let i = 1; i <= 300; i++) progress.update("step " + i, i / 300);
for (let i = 1; i <= 300; i++) progress.update("sample " + i);
block(2600);
progress.done("read");`);
    const tenths = Array.from({ length: 10 }, (_, i) => `step ${30 * (i + 1)}`);
    expect(said.split("\n")).toEqual([...tenths, "read", ""]);
  }, 20_000);

  it("silence is broken after half a minute, and later after a twentieth of the time", () => {
    expect(patience(false, 0)).toBe(30_000);
    expect(patience(false, 3_600_000)).toBe(180_000);
    expect(patience(true, 3_600_000)).toBeLessThan(2000);
  });
});
