/** Columns of a table as targets: those of numbers by their names, and several as one where that is asked for. */

import { fail } from "../graph/error.ts";
import type { Tensor } from "../graph/tensor.ts";

/** The columns of each target, by its name. */
export type ColumnsOf = Readonly<Record<string, readonly string[]>>;

export interface Column {
  readonly name: string;
  /** A number, truth value or text of a number for each row, or a list of these. */
  readonly cells: readonly unknown[];
  /** Whether its numbers are whole by their type, where cells do not tell. */
  readonly isWhole?: boolean;
}

/** Texts of whole numbers from 0 on, and values that are whole by their type. */
const isWhole = (cell: unknown, column: Column): boolean =>
  typeof cell === "string"
    ? /^\d+$/.test(cell)
    : typeof cell === "boolean" || (column.isWhole === true && Number(cell) >= 0);

/** The numbers of a cell; nothing where there is anything else in it. */
function numbersOf(cell: unknown): readonly unknown[] | undefined {
  const all: readonly unknown[] = Array.isArray(cell)
    ? cell
    : ArrayBuffer.isView(cell)
      ? [...(cell as Float32Array)]
      : [cell];
  const isNumber = (one: unknown): boolean =>
    typeof one === "number" ||
    typeof one === "bigint" ||
    typeof one === "boolean" ||
    (typeof one === "string" && one.trim() !== "" && Number.isFinite(Number(one)));
  return all.length > 0 && all.every(isNumber) ? all : undefined;
}

/** Whether a column has a number in every row. */
export const hasNumbers = ({ cells }: Column): boolean =>
  cells.every((cell) => typeof cell !== "object" && numbersOf(cell) !== undefined);

/**
 * A target of the numbers of columns: [N] of a single one, else [N, k] side by side. Whole numbers from 0 on in all of
 * them are int64, all else is float32.
 *
 * @param describe what a row is called in messages
 * @throws SecateurError `bad-data` for a cell that holds no number, and for lists of several lengths
 */
export function targetOfColumns(columns: readonly Column[], describe: (row: number) => string): Tensor {
  const rows = columns[0]!.cells.length;
  const values: unknown[] = [];
  let [whole, width, hasLists] = [true, 0, columns.length > 1];
  for (let row = 0; row < rows; row++) {
    const before = values.length;
    for (const column of columns) {
      const cell = column.cells[row];
      const own =
        numbersOf(cell) ??
        fail(
          "bad-data",
          `${describe(row)} has ${JSON.stringify(cell) ?? "nothing"} in the column ${column.name}, and no number`,
        );
      hasLists ||= typeof cell === "object";
      whole &&= own.every((one) => isWhole(one, column));
      values.push(...own);
    }
    const count = values.length - before;
    width ||= count;
    if (count !== width)
      fail(
        "bad-data",
        `${describe(row)} has ${count} numbers in the column ${columns.map(({ name }) => name).join(" and ")}, ` +
          `${describe(0)} ${width}; a target has as many for each sample`,
      );
  }
  const shape = hasLists ? [rows, width] : [rows];
  return whole
    ? { dtype: "int64", shape, data: BigInt64Array.from(values, (value) => BigInt(value as number)) }
    : { dtype: "float32", shape, data: Float32Array.from(values, Number) };
}

/** Refuses columns that a table does not have. */
export function refuseUnknown(where: string, asked: ColumnsOf, known: readonly string[]): void {
  for (const [target, columns] of Object.entries(asked))
    for (const name of columns)
      if (!known.includes(name))
        fail("bad-data", `${where} has no column ${name}, for the target ${target}; it has ${known.join(", ")}`);
}
