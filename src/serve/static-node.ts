/** Files of a folder by the paths of addresses, and nothing outside of it. */

import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { liesIn } from "../onnx/atomic-node.ts";

/** The parts of a path between its slashes, decoded; nothing where they are no text. */
export function partsOf(path: string): string[] | undefined {
  try {
    return path.split("/").slice(1).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** A name that stays in its folder on every system: no way up, no separator, no drive, nothing hidden. */
const isPlain = (name: string): boolean => name !== "" && !name.startsWith(".") && !/[\\/:\0]/.test(name);

/**
 * The file of a folder that an address asks for, links followed.
 *
 * @param path of the address, not decoded; "/" is `index.html`
 * @returns nothing where there is none, or it would be outside
 */
export async function fileFor(folder: string, path: string): Promise<string | undefined> {
  const parts = partsOf(path === "/" ? "/index.html" : path);
  if (!parts?.every(isPlain)) return undefined;
  try {
    const [root, found] = await Promise.all([realpath(folder), realpath(join(folder, ...parts))]);
    return liesIn(root, found) ? found : undefined;
  } catch {
    return undefined;
  }
}
