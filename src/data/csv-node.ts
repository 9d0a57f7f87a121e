/** Images that a table lists: a path, a label, and if it is there the part that a row belongs to. */

import { access } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fail } from "../graph/error.ts";
import { take, type Tensor } from "../graph/tensor.ts";
import { hasNumbers, refuseUnknown, targetOfColumns, type Column, type ColumnsOf } from "./columns.ts";
import { fileImages, type EncodedOptions } from "./encoded-node.ts";
import { readIfPresent } from "./files-node.ts";
import { holdOut, type SplitName } from "./splits.ts";
import type { SampleDataset } from "./samples.ts";

interface Row {
  readonly line: number;
  readonly path: string;
  /** Absent where the table has no labels. */
  readonly label: string | undefined;
  readonly split: string | undefined;
  readonly cells: Readonly<Record<string, string>>;
}

const splits: Readonly<Record<string, SplitName>> = {
  train: "train",
  test: "test",
  validation: "test",
  val: "test",
};

/**
 * The images of a CSV file with the columns path and label, and perhaps split. Paths start at the file's own folder.
 * Labels are class ids, or names that get ids in their order. Other columns that hold numbers alone are targets by
 * their names; where there are any, label may be left out. Fails with `io` on a missing file and with `bad-data` on a
 * table or a label that is wrong.
 *
 * @param asked targets that are made of columns, by their names
 */
export async function csv(
  file: string,
  split: SplitName,
  options: EncodedOptions,
  asked: ColumnsOf = {},
): Promise<SampleDataset> {
  const rows = await readRows(file);
  const named = targetsOf(file, rows, asked);
  if (rows[0]!.label === undefined && named.length === 0)
    fail(
      "bad-data",
      `${file} has no column label, nor one of numbers; it has ${Object.keys(rows[0]!.cells).join(", ")}`,
    );
  const { ids, classes } = rows[0]!.label === undefined ? unlabelled(rows) : idsOf(file, rows as LabelledRow[]);
  const chosen = rows[0]!.split === undefined ? holdOut(file, ids, split) : rowsOf(file, rows, split);
  const files = chosen.map((i) => ({ path: resolve(dirname(file), rows[i]!.path), classId: ids[i]!, row: rows[i]! }));
  await refuseMissing(file, files);
  const shown = classes && { ...classes, classIds: Int32Array.from(files, ({ classId }) => classId) };
  const paths = files.map(({ path }) => path);
  const targets = Object.fromEntries(named.map(([name, target]) => [name, take(target, 0, chosen)]));
  return fileImages(`${file} ${split}`, paths, { shown, ...(named.length > 0 && { targets }) }, options);
}

type LabelledRow = Row & { readonly label: string };
const unlabelled = (rows: readonly Row[]) => ({ ids: rows.map(() => 0), classes: undefined });

/** Columns that say something else of a row. */
const others: ReadonlySet<string> = new Set(["path", "label", "split"]);

/** The targets of all rows: what was asked for, and the columns of numbers. */
function targetsOf(file: string, rows: readonly Row[], asked: ColumnsOf): (readonly [string, Tensor])[] {
  const known = Object.keys(rows[0]!.cells);
  refuseUnknown(file, asked, known);
  const columnOf = (name: string): Column => ({ name, cells: rows.map(({ cells }) => cells[name]) });
  const used = new Set(Object.values(asked).flat());
  const free = known.filter((name) => !others.has(name) && !used.has(name) && !Object.hasOwn(asked, name));
  const all = [
    ...Object.entries(asked).map(([name, columns]) => [name, columns.map(columnOf)] as const),
    ...free.map((name) => [name, [columnOf(name)]] as const).filter(([, [column]]) => hasNumbers(column!)),
  ];
  return all.map(([name, columns]) => [name, targetOfColumns(columns, (row) => `${file}: line ${rows[row]!.line}`)]);
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
  if (!columns.includes("path")) fail("bad-data", `${file} has no column path; it has ${columns.join(", ")}`);
  return records.map(({ record, info }) => {
    const { path = "", label, split } = record;
    const empty = path === "" ? "path" : label === "" ? "label" : undefined;
    if (empty) fail("bad-data", `${file}: line ${info.lines} has no ${empty}`);
    return { line: info.lines, path, label, split, cells: record };
  });
}

/** Class ids of all rows, so that every part has the same ones. */
function idsOf(file: string, rows: readonly LabelledRow[]) {
  const isNumber = ({ label }: LabelledRow): boolean => Number.isFinite(Number(label));
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
