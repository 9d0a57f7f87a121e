/** How jobs read a model that an option names by its path: in Node they can. */

import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";

export type ReadModel = (path: string) => Promise<Model>;

let chosen: ReadModel | undefined;

/** Says how models are read; `secateur` in Node has done so. */
export function useReader(read: ReadModel): void {
  chosen = read;
}

/** @throws SecateurError `bad-option` where there are no files */
export const readModel: ReadModel = (path) =>
  chosen?.(path) ??
  fail("bad-option", `"${path}" is a file, and only Node reads files: give the model that load gives`);
