/** Images in Parquet files, laid out as Hugging Face's data sets are. */

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { AsyncBuffer, FileMetaData, SchemaElement, SchemaTree } from "hyparquet";
import { fail } from "../graph/error.ts";
import { take, type Tensor } from "../graph/tensor.ts";
import { hasNumbers, refuseUnknown, targetOfColumns, type Column, type ColumnsOf } from "./columns.ts";
import { encodedDataset, type EncodedOptions } from "./encoded-node.ts";
import { splitFolders } from "./folder-node.ts";
import { holdOut, type SplitName } from "./splits.ts";
import { groupedRows, type RowGroup } from "./row-groups.ts";
import type { SampleDataset } from "./samples.ts";

interface ParquetFile {
  readonly path: string;
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly imageColumn: string;
  readonly rows: number;
  /** Class ids; absent where the file has none. */
  readonly labels: readonly number[] | undefined;
  /** The names of all columns, and of those that hold one number a row. */
  readonly columns: readonly string[];
  readonly numbers: readonly string[];
  /** Columns whose numbers are whole by their type. */
  readonly whole: ReadonlySet<string>;
}

/** Headers looked at where no size is given, all in one row group: others would have to be read for it. */
const probed = 64;

/**
 * The rows of train-*.parquet, or of test-*, validation-* or val-*.parquet, in a folder or its folder data; or
 * of one file, of which a part is held out where its name is none of these. The column image or img holds
 * encoded images, label class ids; the names of classes are those that the file knows. Other columns of numbers are
 * targets by their names; where there are any, label may be left out. Fails with `io` on a missing file and with
 * `bad-data` on a wrong one.
 *
 * @param asked targets that are made of columns, of numbers or of lists of one length, by their names
 */
export async function parquet(
  path: string,
  split: SplitName,
  options: EncodedOptions,
  asked: ColumnsOf = {},
): Promise<SampleDataset> {
  const { paths, whole } = await findFiles(path, split);
  const files: ParquetFile[] = [];
  for (const file of paths) files.push(await openFile(file));
  const describe = (row: number): string => describeRow(files, row);
  const named = await targetsOf(files, asked, describe);
  const hasLabels = files.every((file) => file.labels);
  if (!hasLabels && named.length === 0)
    fail(
      "bad-data",
      `${files[0]!.path} has no column label, nor one of numbers; it has ${files[0]!.columns.join(", ")}`,
    );
  const labels = hasLabels ? classNamesOf(files[0]!) : undefined;
  const ids = files.flatMap((file) => file.labels ?? Array.from({ length: file.rows }, () => 0));
  const chosen = whole ? Array.from(ids.keys()) : holdOut(path, ids, split);
  if (labels) {
    const wrong = ids.findIndex((id) => id >= labels.length);
    if (wrong >= 0)
      fail(
        "bad-data",
        `${describe(wrong)} has label ${ids[wrong]}; the file names the classes 0 to ${labels.length - 1}`,
      );
  }
  const groups = files.flatMap(groupsOf);
  const row = groupedRows(groups);
  const end = endOfGroup(groups, chosen[0] ?? 0);
  return encodedDataset(
    {
      name: `${path} ${split}`,
      size: chosen.length,
      shown: hasLabels
        ? {
            classes: labels?.length ?? ids.reduce((most, id) => Math.max(most, id + 1), 0),
            ...(labels && { labels }),
            classIds: Int32Array.from(chosen, (i) => ids[i]!),
          }
        : undefined,
      ...(named.length > 0 && {
        targets: Object.fromEntries(named.map(([name, target]) => [name, take(target, 0, chosen)])),
      }),
      describe: (index) => describe(chosen[index]!),
      async read(index) {
        const bytes = await row(chosen[index]!);
        if (!bytes) throw new Error("it holds no bytes of an image");
        return bytes;
      },
      probes: chosen.slice(0, probed).flatMap((own, index) => (own < end ? [index] : [])),
    },
    options,
  );
}

/** The files of a part; `whole` where all their rows belong to it. */
async function findFiles(
  path: string,
  split: SplitName,
): Promise<{ readonly paths: string[]; readonly whole: boolean }> {
  if (path.endsWith(".parquet")) {
    const own = Object.entries(splitFolders).find(([, names]) => names.some((name) => isOf(name, basename(path))));
    if (own && own[0] !== split)
      fail(
        "bad-data",
        `${path} is a file for ${own[0] === "train" ? "training" : "testing"}; give the folder of all parts`,
      );
    return { paths: [path], whole: own !== undefined };
  }
  const found: string[] = [];
  for (const dir of [path, join(path, "data")]) {
    const files = await readdir(dir).catch(() => []);
    found.push(...files.filter((file) => file.endsWith(".parquet")).sort());
    for (const name of splitFolders[split]) {
      const own = files.filter((file) => isOf(name, file)).sort();
      if (own.length > 0) return { paths: own.map((file) => join(dir, file)), whole: true };
    }
  }
  return fail(
    found.length === 0 ? "io" : "bad-data",
    `${path} has no ${splitFolders[split].map((name) => `${name}-*.parquet`).join(", ")}, nor has its folder ` +
      `data; it has ${found.slice(0, 5).join(", ") || "no .parquet files"}`,
  );
}

/** train.parquet, train-00000-of-00002.parquet */
const isOf = (name: string, file: string): boolean =>
  file.startsWith(name) && /^([-_.].*)?\.parquet$/.test(file.slice(name.length));

async function openFile(path: string): Promise<ParquetFile> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetSchema } = await import("hyparquet");
  const buffer = await asyncBufferFromFile(path).catch((error: unknown) =>
    fail("io", `cannot read ${path}: ${(error as Error).message}`, error),
  );
  const metadata = await guard(path, () => parquetMetadataAsync(buffer));
  const { children } = parquetSchema(metadata);
  const columns = children.map(({ element }) => element.name);
  const imageColumn = ["image", "img"].find((name) => columns.includes(name));
  if (imageColumn === undefined)
    fail("bad-data", `${path} has no column image (nor img); it has ${columns.join(", ")}`);
  const others = children.filter(({ element: { name } }) => name !== imageColumn && name !== "label");
  const numbers = others.filter(({ element, children: inner }) => inner.length === 0 && isOfNumbers(element));
  const whole = new Set(others.filter((one) => isOfWhole(one)).map(({ element }) => element.name));
  const about = { path, buffer, metadata, imageColumn, columns, whole, rows: Number(metadata.num_rows) };
  const file = { ...about, numbers: numbers.map(({ element }) => element.name) };
  if (!columns.includes("label")) return { ...file, labels: undefined };
  const values = await readColumn(path, buffer, metadata, "label");
  const labels = values.map((value, row) => {
    const id = typeof value === "bigint" ? Number(value) : value;
    if (!Number.isSafeInteger(id) || (id as number) < 0 || (id as number) >= 2 ** 31)
      fail("bad-data", `${path}, row ${row} has label ${String(value)}; a class id is a whole number from 0 on`);
    return id as number;
  });
  return { ...file, labels };
}

/** Numbers, and no times or decimals, which are stored as such. */
const isOfNumbers = ({ type, converted_type: kind, logical_type: logical }: SchemaElement): boolean =>
  ["BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE"].includes(type ?? "") &&
  !/DATE|TIME|DECIMAL/.test(`${kind ?? ""} ${logical?.type ?? ""}`);

/** Whether all that stands in a column, in lists too, is whole by its type. */
const isOfWhole = ({ element, children }: SchemaTree): boolean =>
  children.length > 0 ? children.every(isOfWhole) : ["BOOLEAN", "INT32", "INT64"].includes(element.type ?? "");

/** The targets of all rows: what was asked for, and the columns of numbers. */
async function targetsOf(
  files: readonly ParquetFile[],
  asked: ColumnsOf,
  describe: (row: number) => string,
): Promise<(readonly [string, Tensor])[]> {
  for (const { path, columns } of files) refuseUnknown(path, asked, columns);
  const columnOf = async (name: string): Promise<Column> => {
    const cells: unknown[] = [];
    for (const { path, buffer, metadata } of files)
      for (const cell of await readColumn(path, buffer, metadata, name)) cells.push(cell);
    return { name, cells, isWhole: files.every(({ whole }) => whole.has(name)) };
  };
  const used = new Set(Object.values(asked).flat());
  const free = files[0]!.numbers.filter(
    (name) => !used.has(name) && !Object.hasOwn(asked, name) && files.every(({ numbers }) => numbers.includes(name)),
  );
  const found: (readonly [string, Tensor])[] = [];
  for (const [name, columns] of Object.entries(asked)) {
    const own: Column[] = [];
    for (const column of columns) own.push(await columnOf(column));
    found.push([name, targetOfColumns(own, describe)]);
  }
  for (const name of free) {
    const column = await columnOf(name);
    if (hasNumbers(column)) found.push([name, targetOfColumns([column], describe)]);
  }
  return found;
}

function groupsOf({ path, buffer, metadata, imageColumn }: ParquetFile): RowGroup<Uint8Array | undefined>[] {
  let start = 0;
  return metadata.row_groups.map(({ num_rows, columns }) => {
    const [from, to] = [start, (start += Number(num_rows))];
    const own = columns.flatMap(({ meta_data }) => (meta_data?.path_in_schema[0] === imageColumn ? [meta_data] : []));
    return {
      rows: to - from,
      bytes: own.reduce((sum, { total_uncompressed_size: size }) => sum + Number(size), 0),
      read: async () => (await readColumn(path, buffer, metadata, imageColumn, from, to)).map(imageBytes),
    };
  });
}

function describeRow(files: readonly ParquetFile[], row: number): string {
  let within = row;
  for (const { path, rows } of files) {
    if (within < rows) return `${path}, row ${within}`;
    within -= rows;
  }
  return fail("internal", `row ${row} is in none of ${files.length} files`);
}

/** The row behind the row group that a row is in. */
function endOfGroup(groups: readonly RowGroup<unknown>[], row: number): number {
  let end = 0;
  for (const { rows } of groups) if (end <= row) end += rows;
  return end;
}

/** A cell is { bytes, path }, or the bytes themselves. */
function imageBytes(cell: unknown): Uint8Array | undefined {
  const bytes = cell instanceof Uint8Array ? cell : (cell as { readonly bytes?: unknown } | null)?.bytes;
  return bytes instanceof Uint8Array ? bytes : undefined;
}

async function readColumn(
  path: string,
  file: AsyncBuffer,
  metadata: FileMetaData,
  column: string,
  rowStart = 0,
  rowEnd = Number(metadata.num_rows),
): Promise<unknown[]> {
  const [{ parquetReadObjects }, { compressors }] = await Promise.all([
    import("hyparquet"),
    import("hyparquet-compressors"),
  ]);
  const rows = await guard(`${path}, rows ${rowStart} to ${rowEnd - 1}`, () =>
    parquetReadObjects({
      file,
      metadata,
      columns: [column],
      rowStart,
      rowEnd,
      compressors,
      rowFormat: "object",
      // Bytes of images are no text.
      utf8: false,
    }),
  );
  if (rows.length !== rowEnd - rowStart)
    fail("bad-data", `${path} holds ${rows.length} rows of ${column} instead of ${rowEnd - rowStart}`);
  return rows.map((row) => row[column] as unknown);
}

async function guard<T>(where: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    return fail("bad-data", `${where}: not a whole Parquet file (${(error as Error).message})`, error);
  }
}

/** What the writer noted of the column label, if it was Hugging Face's library. */
function classNamesOf({ path, metadata }: ParquetFile): readonly string[] | undefined {
  const note = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value;
  if (note === undefined) return undefined;
  let about: { readonly info?: { readonly features?: { readonly label?: { readonly names?: unknown } } } } | null;
  try {
    about = JSON.parse(note) as typeof about;
  } catch (error) {
    return fail("bad-data", `${path}: its note "huggingface" is not JSON (${(error as Error).message})`, error);
  }
  const names = about?.info?.features?.label?.names;
  return Array.isArray(names) && names.length > 0 ? names.map(String) : undefined;
}
