/** A CSV file that says which class each picture is: columns path and label, as the command line reads them. */

import { parse } from "csv-parse/browser/esm/sync";
import { SecateurError } from "secateur";
import type { GivenFile } from "./calls.ts";

export interface Labelled {
  readonly file: GivenFile;
  readonly classId: number;
}

/**
 * The pictures that a table lists, in its order. Labels are class ids, or names that get ids in the order of the
 * alphabet.
 *
 * @throws SecateurError `bad-data` for a table without these columns, a picture that is not there, or a label that is
 * no class of the model
 */
export async function pairsOf(
  table: GivenFile,
  pictures: readonly GivenFile[],
  classes: number | undefined,
): Promise<Labelled[]> {
  const wrong = (what: string): never => {
    throw new SecateurError("bad-data", `${table.path}: ${what}`);
  };
  const rows = rowsOf(await table.blob.text(), wrong);
  const folder = table.path.slice(0, table.path.lastIndexOf("/") + 1);
  const byPath = new Map(pictures.map((file) => [file.path, file]));
  const isNumbered = rows.every(({ label }) => /^\d+$/.test(label));
  const names = [...new Set(rows.map(({ label }) => label))].sort();
  return rows.map(({ path, label }, i) => {
    const file = byPath.get(`${folder}${path}`) ?? byPath.get(path.slice(path.lastIndexOf("/") + 1));
    const classId = isNumbered ? Number(label) : names.indexOf(label);
    if (classes !== undefined && classId >= classes)
      wrong(`row ${i + 1} has the label ${label}, but the model has ${classes} classes, from 0 on`);
    return { file: file ?? wrong(`row ${i + 1} names ${path}, which was not dropped with it`), classId };
  });
}

function rowsOf(text: string, wrong: (what: string) => never): { path: string; label: string }[] {
  let rows: Record<string, string>[];
  try {
    rows = parse(text, { bom: true, columns: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    return wrong((error as Error).message);
  }
  const [first] = rows;
  if (!first) return wrong("there are no rows; the first line is path,label and each that follows a picture");
  for (const column of ["path", "label"])
    if (!(column in first)) wrong(`there is no column ${column}; it has ${Object.keys(first).join(", ")}`);
  return rows.map(({ path, label }, i) => ({
    path: path || wrong(`row ${i + 1} has no path`),
    label: label || wrong(`row ${i + 1} has no label`),
  }));
}
