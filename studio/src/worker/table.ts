/** A CSV file that says which class each picture is: columns path and label, as the command line reads them. */

import { csvParseRows } from "d3-dsv";
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
  const [head = [], ...lines] = csvParseRows(text.replace(/^\uFEFF/, ""), (cells) => {
    const trimmed = cells.map((cell) => cell.trim());
    return trimmed.some((cell) => cell !== "") ? trimmed : undefined;
  });
  if (lines.length === 0)
    return wrong("there are no rows; the first line is path,label and each that follows a picture");
  const [path, label] = ["path", "label"].map((column) => {
    const at = head.indexOf(column);
    return at < 0 ? wrong(`there is no column ${column}; it has ${head.join(", ")}`) : at;
  }) as [number, number];
  return lines.map((cells, i) => {
    if (cells.length !== head.length)
      wrong(`row ${i + 1} has ${cells.length} cells instead of ${head.length}; texts with commas stand in quotes`);
    return {
      path: cells[path] || wrong(`row ${i + 1} has no path`),
      label: cells[label] || wrong(`row ${i + 1} has no label`),
    };
  });
}
