/** What the page takes of d3-dsv, which has no types of its own. */
declare module "d3-dsv" {
  /** The rows of a CSV text; those for which `row` gives nothing are left out. */
  export function csvParseRows(text: string, row: (cells: string[]) => string[] | undefined): string[][];
}
