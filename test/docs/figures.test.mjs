/** What the documentation says in figures is what the data says. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { blocksOf, root } from "./support.ts";
import { claims, prints, unmeasured } from "./figures/claims.mjs";
import { read, sentences, unclaimed } from "./figures/page.mjs";
import { tables } from "./figures/tables.mjs";

const guides = readdirSync(join(root, "docs/guide")).map((name) => `docs/guide/${name}`);

describe("figures", () => {
  it.each(["README.md", ...guides])("of %s are those of the data, or are listed", (page) => {
    const phrases = [...(claims[page] ?? []), ...(unmeasured[page] ?? [])];
    expect(unclaimed(sentences(read(page)), phrases)).toEqual({ lacking: [], figures: [] });
  });

  it("of docs/performance.md in words are those of its tables", () => {
    expect(unclaimed(sentences(read("docs/performance.md")), claims["docs/performance.md"]).lacking).toEqual([]);
  });

  it("that nothing checks are seen, and so are phrases that are gone", () => {
    const text = sentences("It takes `--macs 50%` in 3.5 ms,\n  and 2 % more. [x](a%20b)");
    expect(unclaimed(text, ["in 3.5 ms"]).figures).toEqual([expect.stringContaining("2 %")]);
    expect(unclaimed(text, ["in 3.6 ms"])).toMatchObject({ lacking: ["in 3.6 ms"], figures: { length: 2 } });
  });
});

describe("tables", () => {
  it.each(Object.keys(tables))("of %s", (name) => {
    const [said, found] = tables[name]();
    expect(said).toEqual(found);
  });
});

/** What README.md shows that was printed. */
const printed = blocksOf(read("README.md"))
  .filter(({ language }) => language === "text")
  .map(({ code }) => code);
const line = (text) => text.replaceAll(/\s+/g, " ").trim();

describe("prints of README.md", () => {
  it.each(Object.keys(prints))("of %s are of the record", (command) => {
    const block = line(printed.find((text) => line(text).includes(command)) ?? "");
    expect(unclaimed(block, prints[command].map(line))).toEqual({ lacking: [], figures: [] });
  });

  /** Figures that depend on the processor. */
  const settled = (text) => text.replace(/differ by at most \S+/, "differ by at most …").trim();
  const exact = printed.filter((text) => /^\$ npx secateur (inspect|plan)/.test(text));

  it("that need no data are those of now", () => {
    const folder = mkdtempSync(join(tmpdir(), "secateur-readme-"));
    try {
      mkdirSync(join(folder, "demo"));
      symlinkSync(join(root, "scripts"), join(folder, "scripts"), "junction");
      const run = (command) => {
        const args = command.replace("--round-to auto", "--round-to 16").split(" ");
        const { stdout, stderr } = spawnSync(process.execPath, [join(root, "dist/cli/main.js"), ...args], {
          cwd: folder,
          encoding: "utf8",
        });
        return stdout + stderr;
      };
      for (const block of exact) {
        const [, ...parts] = block.split(/^\$ npx secateur /m);
        for (const part of parts) {
          const [command, ...shown] = part.split("\n");
          const lines = shown.filter((text) => !text.startsWith("this machine's kernels")).join("\n");
          expect(settled(run(command))).toBe(settled(lines));
        }
      }
      expect(exact).toHaveLength(2);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
