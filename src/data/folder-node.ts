/** Images in folders that are called like their classes, or in one folder without labels. */

import { readdir, stat } from "node:fs/promises";
import { extname, join, relative } from "node:path";
import { fail } from "../graph/error.ts";
import { fileImages, type EncodedOptions } from "./encoded-node.ts";
import { holdOut, type SplitName } from "./splits.ts";
import type { SampleDataset } from "./samples.ts";

const extensions: ReadonlySet<string> = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"]);

/** The names that the folder of a part goes by, the first that is there being taken. */
export const splitFolders: Readonly<Record<SplitName, readonly [string, ...string[]]>> = {
  train: ["train"],
  test: ["test", "validation", "val"],
};

/**
 * DIR/train/CLASS/IMAGE with DIR/test, DIR/validation or DIR/val, or DIR/CLASS/IMAGE, of which a part is
 * held out. Class ids follow the names of the folders in order, those of train where it is there. Without
 * folders of classes, DIR/train/IMAGE or DIR/IMAGE, there are no labels. Fails with `io` on a missing folder
 * and with `bad-data` on one without images.
 */
export async function folder(dir: string, split: SplitName, options: EncodedOptions): Promise<SampleDataset> {
  const name = `${dir} ${split}`;
  const within = await foldersOf(dir);
  const folders = Object.values(splitFolders)
    .flat()
    .filter((folder) => within.includes(folder));
  if (folders.length === 0) {
    if (within.length === 0) {
      const files = await looseImages(dir);
      const chosen = holdOut(dir, new Uint8Array(files.length), split);
      return fileImages(
        name,
        chosen.map((i) => files[i]!),
        {},
        options,
      );
    }
    const files = await imagesOf(dir, within);
    const chosen = holdOut(
      dir,
      files.map(({ classId }) => classId),
      split,
    );
    return labelled(
      name,
      chosen.map((i) => files[i]!),
      within,
      options,
    );
  }
  const folder = splitFolders[split].find((one) => within.includes(one));
  if (folder === undefined)
    fail("bad-data", `${dir} has no folder ${splitFolders[split].join(" or ")}; it has ${folders.join(", ")}`);
  const own = await foldersOf(join(dir, folder));
  const classNames = within.includes("train") ? await foldersOf(join(dir, "train")) : own;
  if (own.length === 0 && classNames.length === 0)
    return fileImages(name, await looseImages(join(dir, folder)), {}, options);
  const strange = own.filter((one) => !classNames.includes(one));
  if (strange.length > 0)
    fail("bad-data", `${join(dir, folder)} has the class ${strange[0]}, which ${join(dir, "train")} has not`);
  if (own.length === 0)
    fail("bad-data", `${join(dir, folder)} has no folders of classes, which ${join(dir, "train")} has`);
  const files = await imagesOf(join(dir, folder), own);
  const idOf = own.map((one) => classNames.indexOf(one));
  return labelled(
    name,
    files.map(({ path, classId }) => ({ path, classId: idOf[classId]! })),
    classNames,
    options,
  );
}

interface LabelledFile {
  readonly path: string;
  readonly classId: number;
}

function labelled(
  name: string,
  files: readonly LabelledFile[],
  labels: readonly string[],
  options: EncodedOptions,
): Promise<SampleDataset> {
  const shown = { classes: labels.length, labels, classIds: Int32Array.from(files, ({ classId }) => classId) };
  const paths = files.map(({ path }) => path);
  return fileImages(name, paths, { shown }, options);
}

/** The folders in a folder by name; hidden ones are nobody's classes. */
export async function foldersOf(dir: string): Promise<string[]> {
  const entries = await list(() => readdir(dir, { withFileTypes: true }), dir);
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await stat(join(dir, entry.name))).isDirectory()))
      folders.push(entry.name);
  }
  return folders.sort();
}

/** Images that lie in a folder itself: nothing says what they show. */
async function looseImages(dir: string): Promise<string[]> {
  const names = (await list(() => readdir(dir), dir)).filter((name) => !name.startsWith(".") && isImage(name)).sort();
  if (names.length === 0)
    fail(
      "bad-data",
      `${dir} has no images: they lie in a folder for each class, ${join(dir, "CLASS", "IMAGE.jpg")}, or ` +
        `without labels in ${dir} itself`,
    );
  return names.map((name) => join(dir, name));
}

/** The images in a folder, however deep, by their paths from there. */
export async function imagesBelow(dir: string): Promise<string[]> {
  const entries = await list(() => readdir(dir, { withFileTypes: true, recursive: true }), dir);
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .filter(isImage)
    .sort();
}

/** The images of each class, by name, however deep they lie. */
async function imagesOf(dir: string, classNames: readonly string[]): Promise<LabelledFile[]> {
  const perClass = await Promise.all(
    classNames.map(async (name, classId) => {
      const own = join(dir, name);
      const paths = await imagesBelow(own);
      if (paths.length === 0)
        fail("bad-data", `${own} has no images (${[...extensions].map((extension) => extension.slice(1)).join(", ")})`);
      return paths.map((path) => ({ path: join(own, path), classId }));
    }),
  );
  return perClass.flat();
}

const isImage = (path: string): boolean => extensions.has(extname(path).toLowerCase());

async function list<T>(read: () => Promise<T>, dir: string): Promise<T> {
  try {
    return await read();
  } catch (error) {
    return fail("io", `cannot read the folder ${dir}: ${(error as Error).message}`, error);
  }
}
