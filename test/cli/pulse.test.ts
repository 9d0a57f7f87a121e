/**
 * Signs of life while the thread that works is blocked.
 *
 * @module-tag laws
 */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);
const progress = pathToFileURL(join(import.meta.dirname, "../../dist/cli/progress.js")).href;

/** Runs a program with `createProgress`, and a `block` that keeps its thread from doing anything else. */
const saidBy = async (program: string): Promise<string[]> => {
  const text = `import { createProgress } from ${JSON.stringify(progress)};
const block = (ms) => { const end = performance.now() + ms; while (performance.now() < end); };
${program}`;
  const { stderr } = await run(process.execPath, ["--input-type=module", "--eval", text]);
  return stderr.trim().split("\n");
};

describe("a thread that is blocked", () => {
  it("is spoken for from the first moment, and by what it said it would do", async () => {
    const lines = await saidBy(`const progress = createProgress("reading");
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
    const lines = await saidBy(`const progress = createProgress("reading");
progress.done("read");
progress[Symbol.dispose]();
await new Promise((resolve) => setTimeout(resolve, 2600));
console.error("end");
createProgress("left behind");`);
    expect(lines).toEqual(["read", "end"]);
  }, 20_000);
});
