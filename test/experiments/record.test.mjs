/** Records of experiments: rows that stay, whoever adds them. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { csv, openRecord } from "../../experiments/lib/record.mjs";

let folder;
beforeEach(() => {
  folder = pathToFileURL(`${mkdtempSync(`${tmpdir()}/record-`)}/`);
  vi.spyOn(console, "log").mockImplementation(() => {});
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
});

const settings = { schedule: "--epochs 2" };
const open = (flags = {}, more = settings) =>
  openRecord("curves-net", { net: "net", seed: 0, ...flags }, more, ["seeds"], folder);
const onDisk = (name = "curves-net") => JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));

it("says what was run, where files lie left out", () => {
  open({ data: "/some/where", model: "net.onnx", seeds: "0,1", quick: false }).add({ seed: 0, top1: 0.9 });
  const { command, seed, rows, version, date } = onDisk();
  expect(command).toBe("node experiments/curves.mjs --net net --seed 0");
  expect({ seed, rows }).toEqual({ seed: 0, rows: [{ seed: 0, top1: 0.9 }] });
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
  expect(readFileSync(new URL("curves-net.csv", folder), "utf8")).toBe("seed,top1\n0,0.9\n");
});

it("names the script, whose name may be of several words", () => {
  openRecord("local-sgd-net", { seed: 0 }, settings, [], folder).add({ seed: 0 });
  expect(onDisk("local-sgd-net").command).toBe("node experiments/local-sgd.mjs --seed 0");
});

it("goes on from the rows of an earlier run, whatever the order of its flags and the rows it chose", () => {
  open({ epochs: 2, seeds: "0" }).add({ seed: 0 });
  const record = openRecord("curves-net", { epochs: 2, seeds: "1", seed: 0, net: "net" }, settings, ["seeds"], folder);
  expect(record.find({ seed: 0 })).toEqual({ seed: 0 });
  expect(record.find({ seed: 1 })).toBeUndefined();
});

it("keeps what others add meanwhile", () => {
  const [one, other] = [open(), open()];
  one.add({ seed: 0 });
  other.add({ seed: 1 });
  one.add({ seed: 2 });
  expect(onDisk().rows).toEqual([{ seed: 0 }, { seed: 1 }, { seed: 2 }]);
  expect(other.find({ seed: 2 })).toEqual({ seed: 2 });
});

it("has a row once that two come to", () => {
  const [one, other] = [open(), open()];
  one.add({ criterion: "unpruned", top1: 0.9 });
  other.add({ criterion: "unpruned", top1: 0.9 });
  expect(onDisk().rows).toEqual([{ criterion: "unpruned", top1: 0.9 }]);
});

it.each([
  ["other settings", {}, { schedule: "--epochs 3" }],
  ["another flag", { epochs: 3 }, settings],
  ["--fresh", { fresh: true }, settings],
])("starts anew with %s", (_what, flags, more) => {
  open().add({ seed: 0 });
  const record = open(flags, more);
  expect(record.find({ seed: 0 })).toBeUndefined();
  record.add({ seed: 1 });
  expect(onDisk().rows).toEqual([{ seed: 1 }]);
});

it("keeps a quick run apart", () => {
  open({ quick: true }).add({ seed: 0 });
  expect(onDisk("curves-net-quick").rows).toEqual([{ seed: 0 }]);
  expect(existsSync(new URL("curves-net.json", folder))).toBe(false);
});

it("writes columns that only some rows have, lists, and fields that need quotes", () => {
  expect(csv([{ a: 1 }, { a: 'x,"y"', b: [1, 2] }])).toBe('a,b\n1,\n"x,""y""",1 2\n');
});
