/** The binary form of CIFAR-10: records of one label and 3 x 32 x 32 bytes, red, green and blue plane by plane. */

import { fail } from "../graph/error.ts";

export const cifarShape = [3, 32, 32] as const;
export const cifarPixels = 3 * 32 * 32;
export const cifarRecordBytes = 1 + cifarPixels;
export const cifarRecordsPerFile = 10_000;
export const cifarTrainFiles = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
export const cifarTestFiles: readonly string[] = ["test_batch.bin"];

export const cifarClassNames = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
] as const;

export interface CifarRecords {
  /** [N, 3, 32, 32] */
  readonly images: Uint8Array;
  /** N class ids, 0 to 9. */
  readonly labels: Uint8Array;
}

/**
 * Reads one or more files of records into one pair of arrays. Fails with `bad-data`, naming file and
 * record, where a file does not end with a record or a label is above 9.
 */
export function parseCifar10(files: readonly { readonly name: string; readonly bytes: Uint8Array }[]): CifarRecords {
  let count = 0;
  for (const { name, bytes } of files) {
    if (bytes.length === 0 || bytes.length % cifarRecordBytes !== 0)
      fail(
        "bad-data",
        `${name}: ${bytes.length} bytes are not a whole number of records of ${cifarRecordBytes}; ` +
          `the file ends within record ${Math.floor(bytes.length / cifarRecordBytes)}`,
      );
    count += bytes.length / cifarRecordBytes;
  }
  const images = new Uint8Array(count * cifarPixels);
  const labels = new Uint8Array(count);
  let next = 0;
  for (const { name, bytes } of files) {
    for (let at = 0; at < bytes.length; at += cifarRecordBytes) {
      const label = bytes[at]!;
      if (label >= cifarClassNames.length)
        fail("bad-data", `${name}: record ${at / cifarRecordBytes} has label ${label}; CIFAR-10 has 0 to 9`);
      labels[next] = label;
      images.set(bytes.subarray(at + 1, at + cifarRecordBytes), next * cifarPixels);
      next++;
    }
  }
  return { images, labels };
}
