import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { presets } from "../../src/data/normalise.ts";
import { groupedRows } from "../../src/data/row-groups.ts";
import { openDataset, type OpenOptions } from "../../src/data/spec-node.ts";
import { collect, labelsOf, pixelsOf, pattern } from "../support/images.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/data/${name}`, import.meta.url));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "secateur-parquet-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const open = (path: string, options: Partial<OpenOptions> = {}) =>
  openDataset(`parquet:${path}`, { split: "train", normalise: presets.none, layout: "nhwc", ...options });

/** The pixels of row i of a file. */
const rowPixels = (i: number): number[] => [...pattern(6 * 8 * 3)].map((byte) => ((byte >> 1) + i * 9) & 255);

describe("parquet", () => {
  it("reads the files of a part over row groups and codecs, with the names of classes", async () => {
    for (const path of [fixture("hub"), fixture("hub/data")]) {
      const train = await open(path);
      expect(train).toMatchObject({ size: 9, classes: 3, labels: ["cat", "dog", "owl"] });
      const batches = await collect(train, { batchSize: 4 });
      expect(batches[0]!.inputs[""]!.shape).toEqual([4, 6, 8, 3]);
      expect(labelsOf(batches)).toEqual([0, 1, 2, 0, 1, 2, 2, 1, 0]);
      expect(pixelsOf(batches)).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2].flatMap(rowPixels));
    }
    const test = await open(fixture("hub"), { split: "test" });
    const batches = await collect(test, { batchSize: 4 });
    expect(labelsOf(batches)).toEqual([1, 0]);
    expect(pixelsOf(batches)).toEqual([0, 1].flatMap(rowPixels));
  });

  it("shuffles alike for a seed, and keeps image and label together", async () => {
    const train = await open(fixture("hub"));
    const options = { batchSize: 9, shuffle: true, seed: 2 };
    const [first] = await collect(train, options);
    expect(await collect(train, options)).toEqual([first]);
    expect(await collect(await open(fixture("hub")), options)).toEqual([first]);
    expect(await collect(train, { ...options, epoch: 1 })).not.toEqual([first]);
    const rows = [0, 1, 2, 3, 4, 5, 0, 1, 2].map((i) => rowPixels(i).join());
    const labels = [0, 1, 2, 0, 1, 2, 2, 1, 0];
    const pixels = pixelsOf([first!]);
    labelsOf([first!]).forEach((label, i) => {
      const own = pixels.slice(i * 144, (i + 1) * 144).join();
      expect(labels.some((other, row) => other === label && rows[row] === own)).toBe(true);
    });
  });

  it("reads one file, of which a part is held out unless its name says what it is", async () => {
    const file = fixture("single.parquet");
    expect(labelsOf(await collect(await open(file), { batchSize: 5 }))).toHaveLength(10);
    const test = await open(file, { split: "test" });
    expect(test).toMatchObject({ size: 2, classes: 2 });
    expect(pixelsOf(await collect(test, { batchSize: 2 }))).toEqual([8, 9].flatMap(rowPixels));
    const named = fixture("hub/data/validation-00000-of-00001.parquet");
    expect((await open(named, { split: "test" })).size).toBe(2);
    await expect(open(named)).rejects.toThrow(/is a file for testing; give the folder of all parts/);
  });

  it("refuses labels that name no class", async () => {
    await expect(open(fixture("unlabelled.parquet"))).rejects.toThrow(/unlabelled\.parquet, row 0 has label -1/);
    await expect(open(fixture("outside.parquet"))).rejects.toThrow(
      /outside\.parquet, row 1 has label 3; the file names the classes 0 to 2/,
    );
  });

  it("refuses columns, parts and files that are not there", async () => {
    await expect(open(fixture("wrong-columns.parquet"))).rejects.toThrow(
      /has no column image \(nor img\); it has picture, fine_label/,
    );
    await expect(open(dir)).rejects.toThrow(/has no train-\*\.parquet, nor has its folder data; it has no \.parquet/);
    await expect(open(join(dir, "absent.parquet"))).rejects.toThrow(/cannot read .*absent\.parquet/);
    copyFileSync(fixture("single.parquet"), join(dir, "train-0.parquet"));
    await expect(open(dir, { split: "test" })).rejects.toThrow(
      /has no test-\*\.parquet, validation-\*\.parquet, val-\*\.parquet.*it has train-0\.parquet/,
    );
  });

  it("refuses what is cut short or broken, naming the file or its rows", async () => {
    const whole = readFileSync(fixture("single.parquet"));
    for (const length of [0, 3, 1000, whole.length - 1]) {
      writeFileSync(join(dir, "train.parquet"), whole.subarray(0, length));
      await expect(open(dir)).rejects.toThrow(/train\.parquet.*: not a whole Parquet file/);
    }
    // The pages of the first column are behind the magic number.
    writeFileSync(join(dir, "train.parquet"), Buffer.from(whole).fill(255, 4, 200));
    await expect(open(dir)).rejects.toThrow(/train\.parquet, rows 0 to 3: not a whole Parquet file/);
  });

  it("names the row of an image that is broken", async () => {
    const told: string[] = [];
    const dataset = await open(fixture("broken.parquet"), { warn: (message) => told.push(message) });
    expect(labelsOf(await collect(dataset, { batchSize: 8 }))).toEqual([0, 0, 1]);
    expect(told).toEqual([
      expect.stringMatching(/broken\.parquet, row 1 cannot be read \(.+\) and is left out; so far 1 of 4/),
    ]);
    const strict = await open(fixture("broken.parquet"), { strict: true });
    await expect(collect(strict, { batchSize: 1, shuffle: true })).rejects.toThrow(/row 1 cannot be read/);
    await expect(open(fixture("paths.parquet"))).rejects.toThrow(/none of the 2 images looked at can be read/);
    await expect(open(fixture("paths.parquet"), { strict: true })).rejects.toThrow(
      /paths\.parquet, row [01] cannot be read \(it holds no bytes of an image\)/,
    );
  });
});

describe("row groups", () => {
  it("are read once while they are kept, and again when others took their place", async () => {
    const reads: number[] = [];
    const groups = [0, 1, 2].map((g) => ({
      rows: 2,
      bytes: 10,
      // oxlint-disable-next-line require-await
      read: async () => {
        reads.push(g);
        return [g * 2, g * 2 + 1];
      },
    }));
    const row = groupedRows(groups, 20);
    expect(await Promise.all([0, 3, 1, 2].map(row))).toEqual([0, 3, 1, 2]);
    expect(reads).toEqual([0, 1]);
    expect(await row(0)).toBe(0);
    expect(await row(4)).toBe(4);
    expect(await row(1)).toBe(1);
    expect(reads).toEqual([0, 1, 2]);
    expect(await row(2)).toBe(2);
    expect(reads).toEqual([0, 1, 2, 1]);
  });

  it("give errors to whoever asked, and go on", async () => {
    const failing = { rows: 1, bytes: 1, read: () => Promise.reject(new Error("broken")) };
    const row = groupedRows([failing, { rows: 1, bytes: 1, read: () => Promise.resolve(["whole"]) }]);
    const [first, second] = await Promise.allSettled([row(0), row(1)]);
    expect(first).toMatchObject({ status: "rejected", reason: { message: "broken" } });
    expect(second).toEqual({ status: "fulfilled", value: "whole" });
  });
});
