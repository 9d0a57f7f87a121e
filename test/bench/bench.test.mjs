/** What of the benchmarks can be tested without a peer: the samples, the comparisons, the tables. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readTensor, writeResults } from "../../bench/lib/arrays.mjs";
import { writeSamples } from "../../bench/lib/batch.mjs";
import { compareGates, compareUpdates, overlap } from "../../bench/lib/compare.mjs";
import { place, readAll, withTables } from "../../bench/lib/tables.mjs";

const folder = mkdtempSync(join(tmpdir(), "bench-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("samples", () => {
  const options = { samples: 200, channels: 2, size: 16, classes: 3 };
  const read = (pattern) => {
    const { x, y } = writeSamples(folder, { ...options, pattern });
    return { x: readTensor(x, "float32").data, y: Array.from(readTensor(y, "int64").data, Number) };
  };

  it("are noise of mean 0 and variance 1, of every class", () => {
    const { x, y } = read(0);
    expect(x.length).toBe(200 * 2 * 16 * 16);
    expect(x.reduce((a, b) => a + b, 0) / x.length).toBeCloseTo(0, 1);
    expect(x.reduce((a, b) => a + b * b, 0) / x.length).toBeCloseTo(1, 1);
    expect(new Set(y)).toEqual(new Set([0, 1, 2]));
  });

  it("show their class, and nothing but their class, by a pattern", () => {
    const [plain, shown] = [read(0), read(0.5)];
    expect(shown.y).toEqual(plain.y);
    const each = plain.x.length / plain.y.length;
    const added = (i) => Array.from({ length: each }, (_, k) => shown.x[i * each + k] - plain.x[i * each + k]);
    const apart = (a, b) => Math.max(...a.map((value, k) => Math.abs(value - b[k])));
    const patterns = [0, 1, 2].map((label) => added(plain.y.indexOf(label)));
    for (const [i, label] of plain.y.entries()) expect(apart(added(i), patterns[label])).toBeLessThan(1e-5);
    expect(apart(patterns[0], patterns[1])).toBeGreaterThan(0.1);
  });
});

describe("comparisons", () => {
  const write = (name, all) => writeResults(`${folder}/${name}.bin`, all);

  it("of updates take all arrays that both sides know as one vector", () => {
    const ours = write("ours", [
      ["a", [3, 0]],
      ["own", [9]],
      ["b", [4.5]],
    ]);
    const theirs = write("theirs", [
      ["b", [4]],
      ["a", [3, 0]],
    ]);
    expect(compareUpdates(ours, theirs)).toEqual({ what: "updates", error: 0.1, compared: 2 });
  });

  it("of gates take the worst array", () => {
    const ours = write("ours", [
      ["a", [1, 1]],
      ["b", [3]],
    ]);
    const theirs = write("theirs", [
      ["a", [1, 1]],
      ["b", [2]],
    ]);
    expect(compareGates(ours, theirs)).toEqual({ what: "gate gradients", error: 0.5, compared: 2 });
  });

  it("of arrays that differ in length are as far apart as can be", () => {
    expect(compareUpdates(write("ours", [["a", [1]]]), write("theirs", [["a", [1, 2]]])).error).toBe(Infinity);
  });

  it("of removals count what is in both", () => {
    expect(overlap([1, 2, 3, 4], [4, 2, 9])).toBe(0.5);
  });
});

describe("tables", () => {
  it("stand between their marks and leave the rest", () => {
    expect(place("a <!-- x --> old <!-- /x --> b", "x", "new")).toBe("a <!-- x -->\n\nnew\n\n<!-- /x --> b");
    expect(() => place("a <!-- x --> b", "x", "new")).toThrow("no place for x");
  });

  it("of docs/performance.md are those of the results", () => {
    const page = readFileSync(new URL("../../docs/performance.md", import.meta.url), "utf8");
    // The formatter pads cells.
    const bare = (text) => text.replace(/-{3,}/g, "---").replace(/ +/g, " ");
    expect(bare(withTables(page, readAll()))).toBe(bare(page));
  });
});
