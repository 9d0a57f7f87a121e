/** Images that a table lists: a path, a label, and if it is there the part that a row belongs to. */

import { access } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fail } from "../graph/error.ts";
import { fileImages, type EncodedOptions } from "./encoded-node.ts";
import { readIfPresent } from "./files-node.ts";
import { holdOut, type SplitName } from "./splits.ts";
import type { SampleDataset } from "./samples.ts";

interface Row {
  readonly line: number;
  readonly path: string;
  readonly label: string;
  readonly split: string | undefined;
}

const splits: Readonly<Record<string, SplitName>> = {
  train: "train",
  test: "test",
  validation: "test",
  val: "test",
};

/**
 * The images of a CSV file with the columns path and label, and perhaps split. Paths start at the file's own folder.
 * Labels are class ids, or names that get ids in their order. Fails with `io` on a missing file and with `bad-data`
 * on a table or a label that is wrong.
 */
export async function csv(file: string, split: SplitName, options: EncodedOptions): Promise<SampleDataset> {
  const rows = await readRows(file);
  const { ids, classes } = idsOf(file, rows);
  const chosen = rows[0]!.split === undefined ? holdOut(file, ids, split) : rowsOf(file, rows, split);
  const files = chosen.map((i) => ({ path: resolve(dirname(file), rows[i]!.path), classId: ids[i]!, row: rows[i]! }));
  await refuseMissing(file, files);
  const shown = { ...classes, classIds: Int32Array.from(files, ({ classId }) => classId) };
  const paths = files.map(({ path }) => path);
  return fileImages(`${file} ${split}`, paths, shown, options);
}

async function readRows(file: string): Promise<Row[]> {
  const bytes = (await readIfPresent(file)) ?? fail("io", `there is no ${file}`);
  const { parse } = await import("csv-parse/sync");
  let records: { readonly record: Record<string, string>; readonly info: { readonly lines: number } }[];
  try {
    records = parse(bytes, { bom: true, columns: true, info: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    return fail("bad-data", `${file}: ${(error as Error).message}`, error);
  }
  const [first] = records;
  if (!first) fail("bad-data", `${file} has no rows; the first line is path,label and each that follows an image`);
  const columns = Object.keys(first.record);
  const missing = ["path", "label"].filter((name) => !columns.includes(name));
  if (missing.length > 0)
    fail("bad-data", `${file} has no column ${missing.join(" and no column ")}; it has ${columns.join(", ")}`);
  return records.map(({ record, info }) => {
    const { path = "", label = "", split } = record;
    const empty = path === "" ? "path" : label === "" ? "label" : undefined;
    if (empty) fail("bad-data", `${file}: line ${info.lines} has no ${empty}`);
    return { line: info.lines, path, label, split };
  });
}

/** Class ids of all rows, so that every part has the same ones. */
function idsOf(file: string, rows: readonly Row[]) {
  const isNumber = ({ label }: Row): boolean => Number.isFinite(Number(label));
  const numbered = isNumber(rows[0]!);
  const odd = rows.find((row) => isNumber(row) !== numbered);
  if (odd)
    fail(
      "bad-data",
      `${file}: line ${odd.line} has the label ${odd.label}, line ${rows[0]!.line} ${rows[0]!.label}; labels ` +
        "are numbers or names, not both",
    );
  if (!numbered) {
    const labels = [...new Set(rows.map(({ label }) => label))].sort();
    const idOf = new Map(labels.map((label, id) => [label, id]));
    return { ids: rows.map(({ label }) => idOf.get(label)!), classes: { classes: labels.length, labels } };
  }
  const ids = rows.map(({ label, line }) => {
    const id = Number(label);
    if (!/^\d+$/.test(label) || id >= 2 ** 31)
      fail("bad-data", `${file}: line ${line} has the label ${label}; a class id is a whole number from 0 on`);
    return id;
  });
  return { ids, classes: { classes: ids.reduce((most, id) => Math.max(most, id), 0) + 1 } };
}

function rowsOf(file: string, rows: readonly Row[], split: SplitName): number[] {
  const chosen: number[] = [];
  rows.forEach(({ line, split: given = "" }, i) => {
    const own = Object.hasOwn(splits, given) ? splits[given] : undefined;
    if (own === undefined)
      fail(
        "bad-data",
        `${file}: line ${line} has the split "${given}"; it is one of ${Object.keys(splits).join(", ")}`,
      );
    if (own === split) chosen.push(i);
  });
  const names = Object.keys(splits).filter((name) => splits[name] === split);
  if (chosen.length === 0) fail("bad-data", `${file} has no row whose split is ${names.join(" or ")}`);
  return chosen;
}

async function refuseMissing(
  file: string,
  files: readonly { readonly path: string; readonly row: Row }[],
): Promise<void> {
  const there = await Promise.all(
    files.map(({ path }) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  const missing = files.filter((_, i) => !there[i]);
  const [first] = missing;
  if (first)
    fail(
      "io",
      `${file}: line ${first.row.line} names ${first.path}, which cannot be opened` +
        (missing.length > 1 ? ` (and so for ${missing.length - 1} more of ${files.length} images)` : ""),
    );
}
