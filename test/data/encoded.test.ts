import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeImage } from "../../src/data/decode-node.ts";
import { presets } from "../../src/data/normalise.ts";
import { openDataset, type OpenOptions } from "../../src/data/spec-node.ts";
import { collect, labelsOf, pattern, pixelsOf, plain, writeImage } from "../support/images.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "secateur-images-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const at = (...parts: string[]): string => join(dir, ...parts);
const bytes = { normalise: presets.none };
const open = (spec: string, options: Partial<OpenOptions> = {}) =>
  openDataset(spec, { split: "train", ...bytes, ...options });

/** A folder of images [4, 6], each of one colour that tells class and number; class names are not in order. */
async function writeClasses(part: string, perClass: number, classes = ["owl", "cat", "dog"]): Promise<void> {
  for (const [c, name] of classes.entries())
    for (let i = 0; i < perClass; i++)
      await writeImage(at(part, name, `${String(i).padStart(3, "0")}.png`), plain([c * 50, i, 7], [4, 6]), [4, 6]);
}

/** The colours of the images of a data set of images of one colour. */
async function colours(spec: string, options: Partial<OpenOptions> = {}, batch = {}): Promise<number[][]> {
  const dataset = await open(spec, options);
  const batches = await collect(dataset, { batchSize: 4, ...batch });
  return batches.flatMap(({ inputs, size }) => {
    const { data, shape } = inputs[""]!;
    const [, channels, height, width] = shape as [number, number, number, number];
    const plane = height * width;
    return Array.from({ length: size }, (_, n) =>
      Array.from({ length: channels }, (_unused, c) => Number(data[(n * channels + c) * plane])),
    );
  });
}

describe("folder", () => {
  it("has parts, and class ids in the order of the names", async () => {
    await writeClasses("train", 3);
    await writeClasses("val", 1, ["dog", "owl"]);
    writeFileSync(at("train", "cat", "notes.txt"), "no image");
    writeFileSync(at("train", "cat", "._000.png"), "no image either");
    await writeImage(at("train", "dog", "000 more", "0.png"), plain([100, 9, 7], [4, 6]), [4, 6]);
    const train = await open(`folder:${dir}`);
    expect(train).toMatchObject({ size: 10, classes: 3, labels: ["cat", "dog", "owl"] });
    expect(labelsOf(await collect(train, { batchSize: 4 }))).toEqual([0, 0, 0, 1, 1, 1, 1, 2, 2, 2]);
    expect((await colours(`folder:${dir}`)).slice(2, 6)).toEqual([
      [50, 2, 7],
      [100, 9, 7],
      [100, 0, 7],
      [100, 1, 7],
    ]);
    const test = await open(`folder:${dir}`, { split: "test" });
    expect(labelsOf(await collect(test, { batchSize: 4 }))).toEqual([1, 2]);
    expect(test).toMatchObject({ classes: 3, labels: ["cat", "dog", "owl"] });
  });

  it("holds out every fifth image of a class where there are no parts", async () => {
    await writeClasses("", 11, ["a", "b"]);
    const green = async (split: "train" | "test") => (await colours(`folder:${dir}`, { split })).map(([, g]) => g);
    expect(await green("test")).toEqual([4, 9, 4, 9]);
    const rest = [0, 1, 2, 3, 5, 6, 7, 8, 10];
    expect(await green("train")).toEqual([...rest, ...rest]);
  });

  it("reads every format, gray images and those with alpha", async () => {
    for (const extension of ["png", "jpg", "JPEG", "webp", "gif", "tiff", "avif"])
      await writeImage(at("train", "a", `x.${extension}`), plain([200, 100, 50], [16, 16]), [16, 16]);
    await writeImage(at("train", "b", "gray.png"), plain([90], [16, 16]), [16, 16]);
    await writeImage(at("train", "b", "alpha.png"), plain([200, 100, 50, 10], [16, 16]), [16, 16]);
    const found = await colours(`folder:${dir}`, { strict: true });
    expect(found).toHaveLength(9);
    expect(found.slice(7)).toEqual([
      [200, 100, 50],
      [90, 90, 90],
    ]);
    for (const colour of found.slice(0, 7))
      colour.forEach((value, c) => expect(Math.abs(value - [200, 100, 50][c]!)).toBeLessThan(4));
  });

  it("refuses what is no set of classes", async () => {
    await expect(open(`folder:${at("absent")}`)).rejects.toThrow(/cannot read the folder .*absent: ENOENT/);
    await expect(open(`folder:${dir}`)).rejects.toThrow(
      /has no images: they lie in a folder for each class, .*, or without labels in/,
    );
    mkdirSync(at("train", "cat"), { recursive: true });
    await expect(open(`folder:${dir}`)).rejects.toThrow(/cat has no images \(jpg, jpeg, png/);
    await writeImage(at("train", "cat", "a.png"), plain([1, 2, 3], [4, 6]), [4, 6]);
    await expect(open(`folder:${dir}`)).rejects.toThrow(/all images are of one class, cat/);
    await writeImage(at("train", "dog", "a.png"), plain([1, 2, 3], [4, 6]), [4, 6]);
    await expect(open(`folder:${dir}`, { split: "test" })).rejects.toThrow(
      /has no folder test or validation or val; it has train/,
    );
    await writeImage(at("test", "emu", "a.png"), plain([1, 2, 3], [4, 6]), [4, 6]);
    await expect(open(`folder:${dir}`, { split: "test" })).rejects.toThrow(/has the class emu, which .*train has not/);
    rmSync(at("test", "emu"), { recursive: true });
    await expect(open(`folder:${dir}`, { split: "test" })).rejects.toThrow(/test has no folders of classes, which/);
  });

  it("takes images without folders as data without labels, with parts or held out", async () => {
    const write = async (parts: readonly string[], green: number): Promise<void> =>
      writeImage(at(...parts, `${String(green).padStart(2, "0")}.png`), plain([0, green, 0], [4, 6]), [4, 6]);
    for (let i = 0; i < 11; i++) await write([], i);
    writeFileSync(at("notes.txt"), "no image");
    const green = async (split: "train" | "test") => (await colours(`folder:${dir}`, { split })).map(([, g]) => g);
    expect(await green("test")).toEqual([4, 9]);
    expect(await green("train")).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 10]);
    const all = await open(`folder:${dir}`);
    expect([all.size, all.classes, all.labels]).toEqual([9, undefined, undefined]);
    expect((await collect(all, { batchSize: 4 })).map(({ target }) => target)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    await write(["train"], 20);
    await write(["test"], 21);
    expect([await green("train"), await green("test")]).toEqual([[20], [21]]);
  });

  it("refuses to hold out of classes that are too small", async () => {
    await writeClasses("", 4);
    await expect(open(`folder:${dir}`, { split: "test" })).rejects.toThrow(/no class has the 5 samples/);
  });
});

describe("order and augmentation", () => {
  const options = { batchSize: 4, shuffle: true, seed: 3, epoch: 2, augment: { crop: 1, flip: true } };

  it("follow from seed and epoch, as for images in memory", async () => {
    const shape = [6, 5, 3] as const;
    const each = 6 * 5 * 3;
    const all = pattern(12 * each);
    const planes = new Uint8Array(all.length);
    for (let n = 0; n < 12; n++) {
      const image = all.subarray(n * each, (n + 1) * each);
      await writeImage(at("train", n < 6 ? "a" : "b", `${String(n).padStart(2, "0")}.png`), image, [6, 5]);
      image.forEach((value, i) => (planes[n * each + (i % 3) * 30 + Math.floor(i / 3)] = value));
    }
    const { imageDataset } = await import("../../src/data/images.ts");
    const memory = imageDataset(
      {
        name: "memory",
        images: planes,
        labels: Uint8Array.from({ length: 12 }, (_, n) => Number(n >= 6)),
        shape: [shape[2], shape[0], shape[1]],
        classes: 2,
      },
      presets.none,
    );
    const files = await open(`folder:${dir}`);
    const wanted = await collect(memory, options);
    expect(await collect(files, options)).toEqual(wanted);
    expect(await collect(files, options)).toEqual(wanted);
    expect(await collect(files, { ...options, epoch: 3 })).not.toEqual(wanted);
    expect(pixelsOf(await collect(files, { ...options, batchSize: 12 }))).toEqual(pixelsOf(wanted));
    const range = { batchSize: 2, from: 3, to: 8, limit: 2 };
    expect(await collect(files, range)).toEqual(await collect(memory, range));
    expect(labelsOf(await collect(files.subset!([11, 0], "two"), { batchSize: 2 }))).toEqual([1, 0]);
  });
});

describe("images that cannot be read", () => {
  beforeEach(async () => {
    await writeClasses("train", 4);
    const whole = readFileSync(at("train", "dog", "001.png"));
    writeFileSync(at("train", "dog", "001.png"), whole.subarray(0, whole.length - 30));
    writeFileSync(at("train", "owl", "000.png"), "no image");
  });

  it("are named once, left out, and made up for", async () => {
    const told: string[] = [];
    const dataset = await open(`folder:${dir}`, { size: [4, 6], warn: (message) => told.push(message) });
    for (const _ of [1, 2]) {
      const batches = await collect(dataset, { batchSize: 4 });
      expect(batches.map(({ size }) => size)).toEqual([4, 4, 2]);
      expect(labelsOf(batches)).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
    }
    // Whole again, but an epoch that has more images than the one before would not be the same.
    await writeImage(at("train", "owl", "000.png"), plain([1, 2, 3], [4, 6]), [4, 6]);
    expect(labelsOf(await collect(dataset.subset!([8, 9], "owls"), { batchSize: 2 }))).toEqual([2]);
    expect(told.sort()).toEqual([
      expect.stringMatching(/dog.001\.png cannot be read \(.+\) and is left out; so far [12] of 12$/),
      expect.stringMatching(/owl.000\.png cannot be read \(.*unsupported image format\) and is left out/),
    ]);
  });

  it("are named once where they are read twice at once", async () => {
    const told: string[] = [];
    const dataset = await open(`folder:${dir}`, { size: [4, 6], warn: (message) => told.push(message) });
    await collect(dataset.subset!([8, 8, 0, 8], "thrice"), { batchSize: 4 });
    expect(told).toHaveLength(1);
  });

  it("change nothing for the other images", async () => {
    const options = { shuffle: true, seed: 1, augment: { crop: 1, flip: true } };
    const dataset = await open(`folder:${dir}`, { size: [4, 6] });
    const first = await collect(dataset, { ...options, batchSize: 3 });
    expect(pixelsOf(await collect(dataset, { ...options, batchSize: 5 }))).toEqual(pixelsOf(first));
    expect(await collect(dataset, { ...options, batchSize: 3, limit: 2 })).toEqual(first.slice(0, 2));
    expect((await collect(dataset, { ...options, batchSize: 4, dropLast: true })).map(({ size }) => size)).toEqual([
      4, 4,
    ]);
  });

  it("are left out when sizes are compared as well, and stop a strict run", async () => {
    await expect(colours(`folder:${dir}`)).resolves.toHaveLength(10);
    await expect(colours(`folder:${dir}`, { strict: true })).rejects.toThrow(
      /(dog.001|owl.000)\.png cannot be read \(.+\); without `strict` it would be left out/,
    );
    await expect(colours(`folder:${dir}`, { strict: true, size: [4, 6] })).rejects.toThrow(/without `strict`/);
  });

  it("are an error where there are no others", async () => {
    for (const name of ["a", "b"]) {
      mkdirSync(at("broken", "train", name), { recursive: true });
      writeFileSync(at("broken", "train", name, "0.jpg"), "no image");
    }
    await expect(open(`folder:${at("broken")}`)).rejects.toThrow(/none of the 2 images looked at can be read/);
    const dataset = await open(`folder:${at("broken")}`, { size: [4, 4] });
    await expect(collect(dataset, { batchSize: 1 })).rejects.toThrow(/none of its 2 samples can be read/);
  });
});

describe("sizes", () => {
  it("are those of the images where all have one, and must be given where not", async () => {
    await writeClasses("train", 3);
    const [batch] = await collect(await open(`folder:${dir}`), { batchSize: 1 });
    expect(batch!.inputs[""]!.shape).toEqual([1, 3, 4, 6]);
    await writeImage(at("train", "dog", "odd.png"), plain([1, 2, 3], [6, 4]), [6, 4]);
    await expect(open(`folder:${dir}`)).rejects.toThrow(
      /odd\.png has 6 x 4 pixels \(height x width\), others 4 x 6; give the size of the model's input by `size`/,
    );
    const [sized] = await collect(await open(`folder:${dir}`, { size: [5, 3] }), { batchSize: 10 });
    expect(sized!.inputs[""]!.shape).toEqual([10, 3, 5, 3]);
  });

  it("are compared when an image is decoded that was not looked at before", async () => {
    await writeClasses("train", 40, ["a", "b"]);
    // Of 80 images 64 are looked at, 0, 1, 2, 3, 5 and so on.
    await writeImage(at("train", "a", "004.png"), plain([1, 2, 3], [6, 4]), [6, 4]);
    const dataset = await open(`folder:${dir}`);
    expect(dataset.size).toBe(80);
    await expect(collect(dataset, { batchSize: 9 })).rejects.toThrow(/004\.png has 6 x 4 pixels/);
  });

  it("cut out the middle, after the shorter side was resized", async () => {
    const file = readFileSync(new URL("../fixtures/data/photo.png", import.meta.url));
    const reference = new URL("../fixtures/data/photo-pil.png", import.meta.url);
    const wanted = await decodeImage(readFileSync(reference), {});
    const { images, shape } = await decodeImage(file, { size: [20, 20], resize: 27 });
    expect(shape).toEqual([3, 20, 20]);
    const differences = images.map((value, i) => Math.abs(value - wanted.images[i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(2);
    const covering = await decodeImage(file, { size: [20, 20] });
    expect(covering.images).not.toEqual(images);
    for (const [from, to] of [
      [
        [6, 3],
        [4, 4],
      ],
      [
        [3, 6],
        [3, 5],
      ],
      [
        [7, 5],
        [5, 7],
      ],
    ] as const) {
      await writeImage(at("any.png"), plain([1, 2, 3], from), from);
      expect((await decodeImage(readFileSync(at("any.png")), { size: to })).shape).toEqual([3, ...to]);
    }
    const halves = plain([0, 0, 0], [4, 12]).map((_, i) => (i % 36 < 18 ? 10 : 200));
    await writeImage(at("halves.png"), halves, [4, 12]);
    const middle = await decodeImage(readFileSync(at("halves.png")), { size: [4, 4] });
    expect([...middle.images.subarray(0, 4)]).toEqual([10, 10, 200, 200]);
  });

  it("that cannot be are refused", async () => {
    await writeClasses("train", 2);
    await expect(open(`folder:${dir}`, { resize: 8 })).rejects.toThrow(/resize is 8, but there is no size/);
    await expect(open(`folder:${dir}`, { size: [8, 8], resize: 7 })).rejects.toThrow(/resize is 7.*8 x 8/);
    await expect(open(`folder:${dir}`, { size: [0, 8] })).rejects.toThrow(/size is 0 x 8/);
    await expect(open(`mnist:${dir}`, { size: [8, 8] })).rejects.toThrow(
      /size cannot be applied to it; its images have/,
    );
    await expect(open(`folder:${dir}`, { layout: "hwc" as "nhwc" })).rejects.toThrow(/layout "hwc"; give nchw or nhwc/);
    await expect(open(`folder:${dir}`, { channels: "cmyk" as "rgb" })).rejects.toThrow(/channels "cmyk"/);
  });
});

describe("channels and layout", () => {
  beforeEach(() => writeClasses("train", 1));

  it("are red, green, blue in planes unless told otherwise", async () => {
    expect(await colours(`folder:${dir}`, { channels: "bgr" })).toEqual([
      [7, 0, 50],
      [7, 0, 100],
      [7, 0, 0],
    ]);
    // 0.299 R + 0.587 G + 0.114 B
    expect(await colours(`folder:${dir}`, { channels: "gray" })).toEqual([[16], [31], [1]]);
  });

  it("nhwc holds the same pixels in another order, augmented or not", async () => {
    const image = pattern(4 * 6 * 3);
    await writeImage(at("train", "cat", "000.png"), image, [4, 6]);
    const shape = [4, 6, 3];
    const one = { batchSize: 1, limit: 1 };
    const [plainBatch] = await collect(await open(`folder:${dir}`, { layout: "nhwc" }), one);
    expect(plainBatch!.inputs[""]).toEqual({ dtype: "float32", shape: [1, ...shape], data: Float32Array.from(image) });
    for (let epoch = 0; epoch < 12; epoch++) {
      const augmented = { ...one, epoch, augment: { crop: 2, flip: true } };
      const planes = pixelsOf(await collect(await open(`folder:${dir}`), augmented));
      const pixels = pixelsOf(await collect(await open(`folder:${dir}`, { layout: "nhwc" }), augmented));
      expect(pixels).toEqual(pixels.map((_, i) => planes[(i % 3) * 24 + Math.floor(i / 3)]));
    }
  });
});

describe("csv", () => {
  const table = (text: string): string => {
    writeFileSync(at("list.csv"), text);
    return `csv:${at("list.csv")}`;
  };
  beforeEach(async () => {
    await writeClasses("images", 2);
    await writeImage(at("images", "a, b.png"), plain([9, 9, 9], [4, 6]), [4, 6]);
  });

  it("lists paths, names or ids, and parts", async () => {
    const spec = table(
      `split,label,path\ntrain,"owl, snowy",images/owl/000.png\ntest,cat,images/cat/000.png\n\nval,cat,"images/a, b.png"\ntrain,cat,${at("images/cat/001.png")}\n`,
    );
    const train = await open(spec);
    expect(train).toMatchObject({ size: 2, classes: 2, labels: ["cat", "owl, snowy"] });
    expect(labelsOf(await collect(train, { batchSize: 2 }))).toEqual([1, 0]);
    expect(await colours(spec, { split: "test" })).toEqual([
      [50, 0, 7],
      [9, 9, 9],
    ]);
    const ids = await open(table('\uFEFF"path",label\nimages/owl/000.png,0\nimages/cat/000.png,7\n'));
    expect(ids).toMatchObject({ size: 2, classes: 8 });
    expect(ids.labels).toBeUndefined();
  });

  it("holds out every fifth row of a class where no part is named", async () => {
    const rows = Array.from({ length: 12 }, (_, i) => `images/owl/00${i % 2}.png,${i % 2}`);
    const spec = table(`path,label\n${rows.join("\n")}\n`);
    expect((await open(spec)).size).toBe(10);
    expect(labelsOf(await collect(await open(spec, { split: "test" }), { batchSize: 4 }))).toEqual([0, 1]);
  });

  it.each([
    ["path;label\na.png;0", /has no column path; it has path;label/],
    ["path,class\na.png,cat", /has no column label, nor one of numbers; it has path, class/],
    ["path,label\n", /has no rows/],
    ["", /has no rows/],
    ["path,label\nimages/owl/000.png", /list\.csv: .*line 2/],
    ["path,label\nimages/owl/000.png,\nx,y", /line 2 has no label/],
    [
      "path,label\nimages/owl/000.png,0\nimages/owl/001.png,-1",
      /line 3 has the label -1; a class id is a whole number/,
    ],
    ["path,label\nimages/owl/000.png,0\nimages/owl/001.png,1.5", /line 3 has the label 1\.5/],
    [
      "path,label\nimages/owl/000.png,0\nimages/owl/001.png,owl",
      /line 3 has the label owl, line 2 0; labels are numbers/,
    ],
    ["path,label\nimages/owl/000.png,0\nimages/absent.png,1", /line 3 names .*absent\.png, which cannot be opened/],
    ["path,label\nimages/owl/000.png,owl\nimages/owl/001.png,owl", /all images are of one class, owl/],
    ["path,label,split\nimages/owl/000.png,0,dev\n", /line 2 has the split "dev"; it is one of train, test/],
    ["path,label,split\nimages/owl/000.png,0,test\n", /has no row whose split is train/],
    ['path,label\n"images/owl/000.png,0\n', /list\.csv: /],
  ])("refuses %j", async (text, message) => {
    await expect(open(table(text))).rejects.toThrow(message);
  });

  it("refuses a table that is not there", async () => {
    await expect(open(`csv:${at("absent.csv")}`)).rejects.toThrow(/there is no .*absent\.csv/);
  });
});

describe("decoding", () => {
  it("ignores orientation, colour profiles and 16 bits, and refuses what ends early", async () => {
    const raw = { raw: { width: 3, height: 2, channels: 3 as const } };
    const turned = await sharp(pattern(18), raw).withMetadata({ orientation: 6 }).png().toBuffer();
    expect((await decodeImage(turned, {})).shape).toEqual([3, 2, 3]);
    const red = plain([255, 0, 0], [2, 3]);
    const wide = await sharp(red, raw).withIccProfile("p3").png().toBuffer();
    // What sRGB calls the reddest red is (234, 51, 35) in Display P3.
    expect(Math.abs((await decodeImage(wide, {})).images[0]! - 234)).toBeLessThan(3);
    const deep = await sharp(pattern(18), raw).toColourspace("rgb16").png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe("ushort");
    expect((await decodeImage(deep, {})).images[0]).toBe(pattern(18)[0]);
    expect((await decodeImage(deep, {})).images[1]).toBe(pattern(18)[3]);
    const jpeg = await sharp(pattern(48 * 64 * 3), { raw: { width: 64, height: 48, channels: 3 } })
      .jpeg()
      .toBuffer();
    await expect(decodeImage(jpeg.subarray(0, jpeg.length / 2), {})).rejects.toThrow(/premature end/);
    await expect(decodeImage(new Uint8Array(), {})).rejects.toThrow(/empty/i);
  });
});
