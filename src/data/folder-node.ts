/** Images in folders that are called like their classes. */

import { readdir, stat } from "node:fs/promises";
import { extname, join, relative } from "node:path";
import { fail } from "../graph/error.ts";
import { fileImages, type EncodedOptions } from "./encoded-node.ts";
import { holdOut, type SplitName } from "./parts.ts";
import type { SampleDataset } from "./samples.ts";

const extensions: ReadonlySet<string> = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"]);

/** The names that the folder of a part goes by, the first that is there being taken. */
export const partNames: Readonly<Record<SplitName, readonly [string, ...string[]]>> = {
  train: ["train"],
  test: ["test", "validation", "val"],
};

/**
 * DIR/train/CLASS/IMAGE with DIR/test, DIR/validation or DIR/val, or DIR/CLASS/IMAGE, of which a part is held out. Class ids follow the names of
 * the folders in order, those of train where it is there. Fails with `io` on a missing folder and with `bad-data` on one without classes or images.
 */
export async function folder(dir: string, split: SplitName, options: EncodedOptions): Promise<SampleDataset> {
  const within = await foldersOf(dir);
  const parts = Object.values(partNames)
    .flat()
    .filter((name) => within.includes(name));
  if (parts.length === 0) {
    const files = await imagesOf(dir, within);
    const chosen = holdOut(
      dir,
      files.map(({ classId }) => classId),
      split,
    );
    return fileImages(
      `${dir} ${split}`,
      chosen.map((i) => files[i]!),
      { classes: within.length, labels: within },
      options,
    );
  }
  const part = partNames[split].find((name) => within.includes(name));
  if (part === undefined)
    fail("bad-data", `${dir} has no folder ${partNames[split].join(" or ")}; it has ${parts.join(", ")}`);
  const own = await foldersOf(join(dir, part));
  const classNames = within.includes("train") ? await foldersOf(join(dir, "train")) : own;
  const strange = own.filter((name) => !classNames.includes(name));
  if (strange.length > 0)
    fail("bad-data", `${join(dir, part)} has the class ${strange[0]}, which ${join(dir, "train")} has not`);
  const files = await imagesOf(join(dir, part), own);
  const idOf = own.map((name) => classNames.indexOf(name));
  return fileImages(
    `${dir} ${split}`,
    files.map(({ path, classId }) => ({ path, classId: idOf[classId]! })),
    { classes: classNames.length, labels: classNames },
    options,
  );
}

/** The folders in a folder by name; hidden ones are nobody's classes. */
async function foldersOf(dir: string): Promise<string[]> {
  const entries = await list(() => readdir(dir, { withFileTypes: true }), dir);
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await stat(join(dir, entry.name))).isDirectory()))
      folders.push(entry.name);
  }
  return folders.sort();
}

/** The images of each class, by name, however deep they lie. */
async function imagesOf(dir: string, classNames: readonly string[]): Promise<{ path: string; classId: number }[]> {
  if (classNames.length === 0)
    fail(
      "bad-data",
      `${dir} has no folders; images lie in a folder for each class, ${join(dir, "CLASS", "IMAGE.jpg")}`,
    );
  const perClass = await Promise.all(
    classNames.map(async (name, classId) => {
      const own = join(dir, name);
      const entries = await list(() => readdir(own, { withFileTypes: true, recursive: true }), own);
      const paths = entries
        .filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
        .map((entry) => relative(own, join(entry.parentPath, entry.name)))
        .filter((path) => extensions.has(extname(path).toLowerCase()))
        .sort();
      if (paths.length === 0)
        fail("bad-data", `${own} has no images (${[...extensions].map((extension) => extension.slice(1)).join(", ")})`);
      return paths.map((path) => ({ path: join(own, path), classId }));
    }),
  );
  return perClass.flat();
}

async function list<T>(read: () => Promise<T>, dir: string): Promise<T> {
  try {
    return await read();
  } catch (error) {
    return fail("io", `cannot read the folder ${dir}: ${(error as Error).message}`, error);
  }
}
