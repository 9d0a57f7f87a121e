/** MNIST, and data sets in its form, from a folder of idx files. */

import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { fail } from "../graph/error.ts";
import { readIfPresent } from "./files-node.ts";
import { parseMnist } from "./idx.ts";
import type { ImageDataset } from "./images.ts";
import { imageDataset } from "./images.ts";
import type { SplitName } from "./splits.ts";
import type { PixelForm } from "./form.ts";

export const mnistClasses = 10;

// Unpacked, the training images are 47 MB; a small file must not fill the memory.
const largestIdx = 2 ** 30;

const stems = {
  train: { images: "train-images", labels: "train-labels" },
  test: { images: "t10k-images", labels: "t10k-labels" },
} as const;

/** The names that a file goes by, the first being the usual one. */
export function mnistFileNames(split: SplitName, content: "images" | "labels"): [string, ...string[]] {
  const stem = stems[split][content];
  const kind = content === "images" ? "idx3-ubyte" : "idx1-ubyte";
  return [`${stem}-${kind}`, `${stem}-${kind}.gz`, `${stem}.${kind}`, `${stem}.${kind}.gz`];
}

/**
 * The training or test images of a folder as [1, H, W], with labels 0 to 9; files may be gzipped.
 * Fails with `io` on a missing file and with `bad-data` on a wrong one.
 */
export async function mnist(dir: string, split: SplitName, form?: PixelForm): Promise<ImageDataset> {
  const [images, labels] = await Promise.all([findFile(dir, split, "images"), findFile(dir, split, "labels")]);
  if (!images || !labels) {
    const missing = [
      images ? [] : mnistFileNames(split, "images")[0],
      labels ? [] : mnistFileNames(split, "labels")[0],
    ];
    fail(
      "io",
      `${dir} has no ${missing.flat().join(" and no ")} (nor .gz); "secateur data mnist ${dir}" fetches a ` +
        "part of MNIST into it",
    );
  }
  const parsed = parseMnist(images, labels, mnistClasses);
  const classNames = Array.from({ length: mnistClasses }, (_, digit) => String(digit));
  return imageDataset({ name: `mnist ${split}`, ...parsed, classes: mnistClasses, classNames }, form);
}

async function findFile(
  dir: string,
  split: SplitName,
  content: "images" | "labels",
): Promise<{ name: string; bytes: Uint8Array } | undefined> {
  for (const candidate of mnistFileNames(split, content)) {
    const name = join(dir, candidate);
    const bytes = await readIfPresent(name);
    if (bytes) return { name, bytes: name.endsWith(".gz") ? await unzip(name, bytes) : bytes };
  }
  return undefined;
}

async function unzip(name: string, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: largestIdx });
  } catch (error) {
    return fail(
      "bad-data",
      `${name}: not a whole gzip file of at most ${largestIdx} bytes (${(error as Error).message})`,
      error,
    );
  }
}
