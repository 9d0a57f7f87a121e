/** Pictures in a folder, with a mask for each in another: class ids of pixels. */

import { stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { fail } from "../graph/error.ts";
import { fileImages, type EncodedOptions } from "./encoded-node.ts";
import { foldersOf, imagesBelow, splitFolders } from "./folder-node.ts";
import { holdOut, type SplitName } from "./splits.ts";
import type { SampleDataset } from "./samples.ts";

/**
 * DIR/train/PICTURE with DIR/test, DIR/validation or DIR/val, or DIR/PICTURE, of which a part is held out, however deep
 * they lie. The mask of a picture has the same path in another folder, and is a PNG file: MASKS/train/PICTURE.png. It
 * is the target "mask", int64 [N, H, W]. Folders are no classes here. Fails with `io` on a missing folder or mask, and
 * with `bad-data` on a folder without images, or a mask that has not the size of its picture.
 */
export async function maskedFolder(
  dir: string,
  masks: string,
  split: SplitName,
  options: EncodedOptions,
): Promise<SampleDataset> {
  const within = await foldersOf(dir);
  const parts = Object.values(splitFolders)
    .flat()
    .filter((part) => within.includes(part));
  const own = splitFolders[split].find((part) => within.includes(part));
  if (parts.length > 0 && own === undefined)
    fail("bad-data", `${dir} has no folder ${splitFolders[split].join(" or ")}; it has ${parts.join(", ")}`);
  const below = own ?? "";
  const all = (await imagesBelow(join(dir, below))).map((path) => join(below, path));
  if (all.length === 0) fail("bad-data", `${join(dir, below)} has no images`);
  const chosen = own === undefined ? holdOut(dir, new Uint8Array(all.length), split).map((i) => all[i]!) : all;
  return fileImages(
    `${dir} ${split}`,
    chosen.map((path) => join(dir, path)),
    { masks: await masksOf(masks, dir, chosen) },
    options,
  );
}

async function masksOf(masks: string, dir: string, pictures: readonly string[]): Promise<string[]> {
  const paths = pictures.map((path) => join(masks, `${path.slice(0, path.length - extname(path).length)}.png`));
  const there = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  const missing = [...paths.keys()].filter((i) => !there[i]);
  const [first] = missing;
  if (first !== undefined)
    fail(
      "io",
      `there is no ${paths[first]}, the mask of ${join(dir, pictures[first]!)}` +
        (missing.length > 1 ? ` (and so for ${missing.length - 1} more of ${pictures.length} pictures)` : ""),
    );
  return paths;
}
