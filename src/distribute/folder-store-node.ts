/** A folder that several machines see as a place for blobs. */

import { mkdir, open, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fail } from "../graph/error.ts";
import { describeIo, writeFileAtomic } from "../onnx/atomic-node.ts";
import type { Place } from "./store.ts";

/** Not there, or below something that is no folder. */
const isAbsent = (error: unknown): boolean =>
  ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");

/**
 * A place in a folder, which is made with its first file. Each file is written under another name, flushed to the disk
 * and renamed.
 */
export function folderPlace(folder: string): Place {
  return {
    name: folder,
    async read(path, most) {
      const from = join(folder, path);
      try {
        await using file = await open(from, "r");
        const { size } = await file.stat();
        return size > most ? undefined : await file.readFile();
      } catch (error) {
        return isAbsent(error) ? undefined : fail("io", `cannot read ${from}: ${describeIo(error)}`, error);
      }
    },
    async write(path, bytes) {
      const to = join(folder, path);
      try {
        await mkdir(dirname(to), { recursive: true });
      } catch (error) {
        fail("io", `cannot make the folder ${dirname(to)}: ${describeIo(error)}`, error);
      }
      await writeFileAtomic(to, bytes, { replaceLink: true });
    },
    async size(path) {
      try {
        return (await stat(join(folder, path))).size;
      } catch (error) {
        return isAbsent(error)
          ? undefined
          : fail("io", `cannot read ${join(folder, path)}: ${describeIo(error)}`, error);
      }
    },
    async remove(path) {
      try {
        await rm(join(folder, path), { force: true });
      } catch (error) {
        fail("io", `cannot remove ${join(folder, path)}: ${describeIo(error)}`, error);
      }
    },
  };
}
