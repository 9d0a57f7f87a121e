/** Arrays of NumPy from an .npz file or a folder of .npy files. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { readIfPresent } from "./files-node.ts";
import { parseNpy } from "./npy.ts";
import { ofArchive, openZip, type Archive } from "./npz.ts";
import type { SplitName } from "./splits.ts";
import type { PixelForm } from "./form.ts";
import type { SampleDataset } from "./samples.ts";

/** The arrays of one part of a file or folder, as {@link ofArchive} takes them. */
export async function npz(
  path: string,
  split: SplitName,
  form: PixelForm,
  stated: PixelForm = {},
  model?: Pick<Model, "graph">,
): Promise<SampleDataset> {
  return ofArchive(path, await openArchive(path), split, form, stated, model);
}

async function openArchive(path: string): Promise<Archive> {
  const files = await readdir(path).catch(() => undefined);
  if (!files) return openZip(path, (await readIfPresent(path)) ?? fail("io", `there is no ${path}`), crc32);
  const names = files
    .filter((file) => file.endsWith(".npy"))
    .map((file) => file.slice(0, -4))
    .sort();
  return {
    names,
    read: (wanted) =>
      Promise.all(
        wanted.map(async (name) => {
          const file = join(path, `${name}.npy`);
          return parseNpy((await readIfPresent(file)) ?? fail("io", `there is no ${file}`), file);
        }),
      ),
  };
}
