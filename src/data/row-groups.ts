/** Rows that can only be read a group at a time: the groups used last are kept, up to a number of bytes. */

export interface RowGroup<Row> {
  readonly rows: number;
  /** What the group takes in memory. */
  readonly bytes: number;
  read(): Promise<readonly Row[]>;
}

/** Smaller sets stay in memory after the first epoch. */
const mostKept = 2 ** 29;

/** A function that gives a row by its place in all groups. One group is read at a time, and none twice at once. */
export function groupedRows<Row>(
  groups: readonly RowGroup<Row>[],
  mostBytes = mostKept,
): (row: number) => Promise<Row | undefined> {
  const starts: number[] = [];
  let count = 0;
  for (const { rows } of groups) {
    starts.push(count);
    count += rows;
  }
  const groupOf = new Int32Array(count);
  groups.forEach(({ rows }, g) => groupOf.fill(g, starts[g], starts[g]! + rows));
  // A Map goes through its keys in the order of their use, as long as a used one is put in anew.
  const kept = new Map<number, Promise<readonly Row[]>>();
  let bytes = 0;
  let before: Promise<unknown> = Promise.resolve();
  const open = (g: number): Promise<readonly Row[]> => {
    const known = kept.get(g);
    kept.delete(g);
    const rows = known ?? before.then(() => groups[g]!.read());
    kept.set(g, rows);
    if (known) return known;
    before = rows.catch(() => {});
    bytes += groups[g]!.bytes;
    for (const old of kept.keys()) {
      if (bytes <= mostBytes || old === g) break;
      kept.delete(old);
      bytes -= groups[old]!.bytes;
    }
    return rows;
  };
  return async (row) => {
    const g = groupOf[row]!;
    return (await open(g))[row - starts[g]!];
  };
}
