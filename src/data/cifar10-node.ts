/** CIFAR-10 from a folder that holds its binary form. */

import { join } from "node:path";
import { fail } from "../graph/error.ts";
import {
  cifarClassNames,
  cifarRecordBytes,
  cifarRecordsPerFile,
  cifarShape,
  cifarTestFiles,
  cifarTrainFiles,
  parseCifar10,
} from "./cifar10.ts";
import { readIfPresent } from "./files-node.ts";
import type { ImageDataset } from "./images.ts";
import { imageDataset } from "./images.ts";
import type { SplitName } from "./splits.ts";
import type { PixelForm } from "./form.ts";

/**
 * The 50,000 training images (data_batch_1.bin to data_batch_5.bin) or the 10,000 test images
 * (test_batch.bin) of a folder, [3, 32, 32] each. Fails with `io` on a missing file and with
 * `bad-data` on a wrong size or label.
 */
export async function cifar10(dir: string, split: SplitName, form?: PixelForm): Promise<ImageDataset> {
  const names = split === "train" ? cifarTrainFiles : cifarTestFiles;
  const files = await Promise.all(
    names.map(async (name) => ({
      name: join(dir, name),
      bytes: await readIfPresent(join(dir, name)),
    })),
  );
  const missing = names.filter((_, i) => files[i]?.bytes === undefined);
  if (missing.length > 0)
    fail("io", `${dir} has no ${missing.join(", ")}; "secateur data cifar10 ${dir}" fetches CIFAR-10 into it`);
  const present = files.map(({ name, bytes = new Uint8Array() }) => ({ name, bytes }));
  const problems = present.flatMap(({ name, bytes }) => describeSize(name, bytes.length));
  if (problems.length > 0) fail("bad-data", problems.join("\n"));
  return imageDataset(
    {
      name: `cifar10 ${split}`,
      ...parseCifar10(present),
      shape: cifarShape,
      classes: cifarClassNames.length,
      classNames: cifarClassNames,
    },
    form,
  );
}

function describeSize(name: string, length: number): string[] {
  const expected = cifarRecordsPerFile * cifarRecordBytes;
  if (length === expected) return [];
  const where = length < expected ? `; it ends at record ${Math.floor(length / cifarRecordBytes)}` : "";
  return [
    `${name}: ${length} bytes; ${cifarRecordsPerFile} records of ${cifarRecordBytes} bytes are ${expected}${where}`,
  ];
}
