/** Targets by name out of every kind of data, and masks, which are moved with their pictures. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32, deflateSync } from "node:zlib";
import { zipSync } from "fflate";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { arrayDataset } from "../../src/data/arrays.ts";
import type { Batch } from "../../src/data/batches.ts";
import { decodeMask, fittedMask } from "../../src/data/mask-node.ts";
import { presets } from "../../src/data/normalise.ts";
import { parseNpy } from "../../src/data/npy.ts";
import { openDataset, testPartOf, withPath, type OpenOptions } from "../../src/data/spec-node.ts";
import { split, take } from "../../src/data/splits.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { emptyGraph, modelOf } from "../support/graphs.ts";
import { collect, npy, pattern, patternAt, plain, writeImage } from "../support/images.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/data/${name}`, import.meta.url));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "secateur-targets-"));
});
afterEach(() => rmSync(dir, { recursive: true }));
const at = (name: string): string => join(dir, name);

const open = (spec: string, options: Partial<OpenOptions> = {}) => openDataset(spec, { split: "train", ...options });
const named = (inputs: readonly string[], outputs: readonly string[]) => {
  const value = (name: string) => ({ name, dtype: "float32", shape: ["n"] }) as const;
  return modelOf({ ...emptyGraph, inputs: inputs.map(value), outputs: outputs.map(value) });
};

const valuesOf = (tensor: Tensor | undefined): number[] => Array.from(tensor!.data as Float32Array, Number);
const targetsOf = ({ target, targets }: Batch) =>
  Object.fromEntries(
    [["", target] as const, ...Object.entries(targets ?? {})].flatMap(([name, one]) =>
      one ? [[name, `${one.dtype} [${one.shape.join(", ")}]`]] : [],
    ),
  );

describe("arrays", () => {
  const count = 10;
  const floats = (...more: number[]): Tensor => {
    const size = more.reduce((a, b) => a * b, count);
    return { dtype: "float32", shape: [count, ...more], data: Float32Array.from({ length: size }, (_, i) => i) };
  };
  const ids: Tensor = { dtype: "uint8", shape: [count], data: Uint8Array.from({ length: count }, (_, i) => i % 2) };
  const source = { name: "a", inputs: { "": floats(2) }, targets: { boxes: floats(4), kind: ids } };

  it("keep their rows together through parts, order and what is left out", async () => {
    const data = arrayDataset(source);
    const rowsOf = (batches: readonly Batch[]) =>
      batches.flatMap(({ inputs, targets }) =>
        Array.from({ length: inputs[""]!.shape[0]! }, (_, i) =>
          [inputs[""]!, targets!["boxes"]!, targets!["kind"]!].map((one) => Number(one.data[i * (one.shape[1] ?? 1)])),
        ),
      );
    const expected = (sample: number) => [2 * sample, 4 * sample, sample % 2];
    const all = rowsOf(await collect(data, { batchSize: 4, shuffle: true, seed: 3, dropLast: true }));
    expect(all).toHaveLength(8);
    for (const row of all) expect(row).toEqual(expected(row[0]! / 2));
    const { heldOut } = split(data, 0.3, 0);
    for (const row of rowsOf(await collect(heldOut, { batchSize: 2 }))) expect(row).toEqual(expected(row[0]! / 2));
    expect(rowsOf(await collect(take(data, 2, 5), { batchSize: 2 }))).toEqual([expected(5), expected(6)]);
  });

  it("are refused where they do not go together", async () => {
    const short = { ...floats(4), shape: [5, 8] };
    expect(() => arrayDataset({ ...source, targets: { boxes: short } })).toThrow(
      /a: the input has 10 samples and the target "boxes" 5; the first axes differ/,
    );
    const text = { dtype: "string", shape: [count], data: Array.from({ length: count }, () => "a") } as const;
    expect(() => arrayDataset({ ...source, targets: { boxes: text } })).toThrow(/the target "boxes" is string; it is/);
    const gap = { ...floats(4), data: new Float32Array(40).fill(Number.NaN, 9, 10) };
    await expect(collect(arrayDataset({ ...source, targets: { boxes: gap } }), { batchSize: 5 })).rejects.toThrow(
      /the target "boxes" holds NaN at element 1 of sample 2/,
    );
  });

  it("of pictures are moved with them where they are masks, and refused where they cannot be", async () => {
    const pixels = pattern(count * 20);
    const inputs = { "": { dtype: "uint8", shape: [count, 4, 5], data: pixels } as const };
    const mask: Tensor = { dtype: "uint8", shape: [count, 4, 5], data: pixels };
    const data = arrayDataset({ name: "a", inputs, targets: { mask, boxes: floats(4) } }, presets.none);
    const moved = await collect(data, { batchSize: 10, shuffle: true, augment: { crop: 2, flip: true } });
    const picture = valuesOf(moved[0]!.inputs[""]);
    const shown = valuesOf(moved[0]!.targets!["mask"]);
    // What lies outside is black in the picture, and 255 in the mask.
    expect(shown.some((id, i) => id === 255 && picture[i] === 0)).toBe(true);
    expect(shown.every((id, i) => id === picture[i] || (id === 255 && picture[i] === 0))).toBe(true);
    expect(picture).not.toEqual([...pixels]);
    const depth = arrayDataset({ name: "a", inputs, target: floats(4, 5) });
    expect(() => depth.batches({ batchSize: 2, augment: { flip: true } })).toThrow(
      /the target is float32 \[10, 4, 5\], which is not moved with the pictures/,
    );
    expect(targetsOf((await collect(depth, { batchSize: 10 }))[0]!)).toEqual({ "": "float32 [10, 4, 5]" });
  });
});

describe("npz", () => {
  const x = npy(
    "<f4",
    [10, 2],
    Array.from({ length: 20 }, (_, i) => i),
  );
  const boxes = npy(
    "<f4",
    [10, 4],
    Array.from({ length: 40 }, (_, i) => i),
  );
  const flags = npy(
    "|b1",
    [10, 3],
    Array.from({ length: 30 }, (_, i) => i % 2),
  );
  const ids = npy(
    "|u1",
    [10],
    Array.from({ length: 10 }, (_, i) => i % 2),
  );
  const zip = (arrays: Record<string, Uint8Array>): string => {
    writeFileSync(at("made.npz"), zipSync(Object.fromEntries(Object.entries(arrays).map(([k, v]) => [`${k}.npy`, v]))));
    return `npz:${at("made.npz")}`;
  };
  const first = async (spec: string, options: Partial<OpenOptions> = {}) => {
    const [batch] = await collect(await open(spec, options), { batchSize: 10 });
    return { inputs: Object.keys(batch!.inputs), targets: targetsOf(batch!) };
  };

  it("has targets by a prefix, of parts and without", async () => {
    const targets = { "": "int64 [8]", boxes: "float32 [8, 4]", flags: "int64 [8, 3]" };
    const whole = { x, y: ids, y_boxes: boxes, "targets.flags": flags };
    expect(await first(zip(whole))).toEqual({ inputs: [""], targets });
    const parts = { x_train: x, target_boxes_train: boxes, x_test: x, target_boxes_test: boxes };
    for (const split of ["train", "test"] as const)
      expect(await first(zip(parts), { split })).toEqual({ inputs: [""], targets: { boxes: "float32 [10, 4]" } });
  });

  it("has targets by the names of the model: what is no input of it", async () => {
    const model = named(["x"], ["boxes", "scores"]);
    expect(await first(zip({ x_train: x, boxes_train: boxes, tags_train: flags, y_train: ids }), { model })).toEqual({
      inputs: [""],
      targets: { "": "int64 [10]", boxes: "float32 [10, 4]", tags: "int64 [10, 3]" },
    });
    // The only array that is no output is the input, whatever it is called.
    expect(await first(zip({ pixels: x, boxes }), { model })).toEqual({
      inputs: [""],
      targets: { boxes: "float32 [8, 4]" },
    });
    const two = named(["x", "boxes"], ["out"]);
    expect((await first(zip({ x, boxes, out: flags }), { model: two })).inputs).toEqual(["x", "boxes"]);
    // An input may be called like a target, where the model says so.
    expect((await first(zip({ x, y_boxes: boxes }), { model: named(["x", "y_boxes"], ["o"]) })).inputs).toHaveLength(2);
  });

  it("says how to name arrays where nothing tells inputs from targets", async () => {
    await expect(open(zip({ pixels: x, tags: flags, boxes }), { model: named(["image"], ["boxes"]) })).rejects.toThrow(
      /nothing says which of pixels, tags is the input; call it image, as the model does, .* or call a target target_NAME/,
    );
    await expect(open(zip({ x, y_boxes: boxes, target_boxes: boxes }))).rejects.toThrow(
      /has both y_boxes and target_boxes; one of them is the target boxes/,
    );
  });

  it("holds out by classes where it has some, and by rows where targets are of places", async () => {
    const mask = npy(
      "|u1",
      [10, 3],
      Array.from({ length: 30 }, (_, i) => i % 2),
    );
    expect((await open(zip({ x, y: mask }), { split: "test" })).size).toBe(2);
    expect((await open(zip({ x, y: mask }))).classes).toBeUndefined();
  });
});

describe("csv", () => {
  const table = (text: string): string => {
    writeFileSync(at("list.csv"), text);
    return `csv:${at("list.csv")}`;
  };
  beforeEach(async () => {
    for (let i = 0; i < 5; i++) await writeImage(at(`${i}.png`), plain([i, i, i], [4, 6]), [4, 6]);
  });
  const rows = (header: string, ...cells: string[]): string =>
    table(`${header},split\n${cells.map((cell) => `${cell},train`).join("\n")}\n`);

  it("has columns of numbers as targets, with labels and without", async () => {
    const spec = rows("path,age,kind,note,x,y", "1.png,20.5,0,a,1,2", "2.png,21,2,b,3,4.5", "3.png,-3,1,,5,6");
    const [batch] = await collect(await open(spec), { batchSize: 3 });
    expect(targetsOf(batch!)).toEqual({ age: "float32 [3]", kind: "int64 [3]", x: "int64 [3]", y: "float32 [3]" });
    expect(valuesOf(batch!.targets!["age"])).toEqual([20.5, 21, -3]);
    const shuffled = await collect(await open(spec, { normalise: presets.none }), {
      batchSize: 1,
      shuffle: true,
      seed: 1,
    });
    const ages = new Map([
      [1, 20.5],
      [2, 21],
      [3, -3],
    ]);
    for (const { inputs, targets } of shuffled)
      expect(valuesOf(targets!["age"])).toEqual([ages.get(Number(inputs[""]!.data[0]))]);
    const labelled = rows("path,label,age", "1.png,cat,1", "2.png,dog,2");
    expect(targetsOf((await collect(await open(labelled), { batchSize: 2 }))[0]!)).toEqual({
      "": "int64 [2]",
      age: "int64 [2]",
    });
  });

  it("makes one target of several columns where that is asked for", async () => {
    const spec = rows("path,x,y,w,h", "1.png,1,2,3,4.5", "2.png,5,6,7,8");
    const [batch] = await collect(await open(`${spec},boxes=x+y+w+h`), { batchSize: 2 });
    expect(targetsOf(batch!)).toEqual({ boxes: "float32 [2, 4]" });
    expect(valuesOf(batch!.targets!["boxes"])).toEqual([1, 2, 3, 4.5, 5, 6, 7, 8]);
    const [both] = await collect(await open(`${spec},at=x+y,size=w`), { batchSize: 2 });
    expect(targetsOf(both!)).toEqual({ at: "int64 [2, 2]", size: "int64 [2]", h: "float32 [2]" });
  });

  it.each([
    ["boxes=x+z", /list\.csv has no column z, for the target boxes; it has path, x, note, split/],
    ["boxes=x+note", /line 3 has "b" in the column note, and no number/],
  ])("refuses %s", async (more, message) => {
    const spec = rows("path,x,note", "1.png,1,7", "2.png,2,b");
    await expect(open(`${spec},${more}`)).rejects.toThrow(message);
  });

  it("refuses a table without labels and numbers", async () => {
    await expect(open(rows("path,note", "1.png,a"))).rejects.toThrow(
      /no column label, nor one of numbers; it has path/,
    );
  });
});

describe("parquet", () => {
  const spec = `parquet:${fixture("targets.parquet")}`;

  it("has columns of numbers as targets, and lists where they are asked for", async () => {
    const [batch] = await collect(await open(`${spec},bbox=bbox,all=age+tags`), { batchSize: 8 });
    expect(targetsOf(batch!)).toEqual({
      bbox: "float32 [8, 4]",
      all: "float32 [8, 3]",
      colour: "int64 [8]",
    });
    const rows = [0, 1, 2, 3, 5, 6, 7, 8];
    expect(valuesOf(batch!.targets!["colour"])).toEqual(rows.map((i) => i % 3));
    expect(valuesOf(batch!.targets!["bbox"])).toEqual(rows.flatMap((i) => [i, i + 1, i + 2, i + 3.5]));
    expect(valuesOf(batch!.targets!["all"])).toEqual(rows.flatMap((i) => [20.5 + i, i % 2, 1 - (i % 2)]));
    const [plainly] = await collect(await open(spec, { split: "test" }), { batchSize: 2 });
    expect(targetsOf(plainly!)).toEqual({ age: "float32 [2]", colour: "int64 [2]" });
    const [tags] = await collect(await open(`${spec},tags=tags`), { batchSize: 2 });
    expect(targetsOf(tags!)["tags"]).toBe("int64 [2, 2]");
  });

  it.each([
    ["points=points", /targets\.parquet, row 1 has 2 numbers in the column points, .*row 0 1; a target has as many/],
    [
      "gaps=gaps",
      /targets\.parquet, row 4 has null in the column gaps, and no number|row 4 has nothing in the column gaps/,
    ],
    ["name=name", /row 0 has "n0" in the column name, and no number/],
    ["box=box", /has no column box, for the target box; it has image, age/],
  ])("refuses %s", async (more, message) => {
    await expect(open(`${spec},${more}`)).rejects.toThrow(message);
  });
});

describe("masks", () => {
  const idsOf = (name: string) => parseNpy(readFileSync(fixture(name)), name);

  it.each([["mask"], ["mask-2-bits"], ["mask-1-bit"]])("are the numbers that PIL reads: %s", (name) => {
    const { ids, size } = decodeMask(readFileSync(fixture(`${name}.png`)), name);
    expect(size).toEqual([60, 90]);
    expect([...ids]).toEqual([...(idsOf(`${name}.npy`).data as Uint8Array)]);
  });

  it("may be filtered in every way of the format: sharp reads the same", async () => {
    const [height, width] = [40, 23];
    const rows = Uint8Array.from({ length: height * (width + 1) }, (_, i) =>
      i % (width + 1) === 0 ? (i / (width + 1)) % 5 : patternAt(i),
    );
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header[8] = 8;
    const chunk = (type: string, data: Uint8Array): Buffer => {
      const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
      const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
      length.writeUInt32BE(data.length);
      sum.writeUInt32BE(crc32(named));
      return Buffer.concat([length, named, sum]);
    };
    const start = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const parts = [chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", new Uint8Array())];
    const file = Buffer.concat([start, ...parts]);
    const read = await sharp(file).extractChannel(0).raw().toBuffer();
    expect([...decodeMask(file, "mask").ids]).toEqual([...read]);
  });

  it("are made to fit by the nearest pixel, as PIL does", () => {
    const mask = decodeMask(readFileSync(fixture("mask.png")), "mask");
    expect([...fittedMask(mask, { size: [20, 20], resize: 27 })]).toEqual([
      ...(idsOf("mask-pil.npy").data as Uint8Array),
    ]);
    expect(fittedMask(mask, {})).toBe(mask.ids);
  });

  const write = async (name: string, ids: Uint8Array, [height, width]: readonly [number, number]): Promise<void> => {
    mkdirSync(dirname(at(name)), { recursive: true });
    const image = sharp(ids, { raw: { height, width, channels: 1 } }).toColourspace("b-w");
    writeFileSync(at(name), await image.png().toBuffer());
  };

  it("are a target of the pictures of a folder, moved with them, in parts and held out", async () => {
    for (let i = 0; i < 5; i++) {
      const ids = pattern(24).map((byte) => (byte + i) % 200);
      await writeImage(
        at(`pictures/train/deep/${i}.png`),
        Uint8Array.from(ids).reduce((rgb, id, p) => rgb.fill(id, 3 * p, 3 * p + 3), new Uint8Array(72)),
        [4, 6],
      );
      await write(`masks/train/deep/${i}.png`, Uint8Array.from(ids), [4, 6]);
    }
    const spec = `folder:${at("pictures")},masks=${at("masks")}`;
    const data = await open(spec, { normalise: presets.none, channels: "gray" });
    expect(data.size).toBe(5);
    expect(data.labels).toBeUndefined();
    const [still] = await collect(data, { batchSize: 5 });
    expect(targetsOf(still!)).toEqual({ mask: "int64 [5, 4, 6]" });
    expect(valuesOf(still!.targets!["mask"])).toEqual(valuesOf(still!.inputs[""]));
    const [moved] = await collect(data, { batchSize: 5, shuffle: true, seed: 2, augment: { flip: true, crop: 1 } });
    const [picture, mask] = [valuesOf(moved!.inputs[""]), valuesOf(moved!.targets!["mask"])];
    expect(mask.every((id, i) => id === picture[i] || (id === 255 && picture[i] === 0))).toBe(true);
    expect(mask).toContain(255);
    await expect(open(spec, { split: "test" })).rejects.toThrow(
      /has no folder test or validation or val; it has train/,
    );
    const inner = `folder:${at("pictures/train")},masks=${at("masks/train")}`;
    expect((await open(inner, { split: "test" })).size).toBe(1);
    expect((await open(inner)).size).toBe(4);
  });

  it("are made to fit as their pictures are", async () => {
    copyFileSync(fixture("mask.png"), at("mask.png"));
    await writeImage(at("pictures/a.png"), pattern(60 * 90 * 3), [60, 90]);
    for (let i = 0; i < 5; i++) copyFileSync(at("pictures/a.png"), at(`pictures/${i}.png`));
    mkdirSync(at("masks"));
    for (const name of ["a", 0, 1, 2, 3, 4]) copyFileSync(fixture("mask.png"), at(`masks/${name}.png`));
    const data = await open(`folder:${at("pictures")},masks=${at("masks")}`, { size: [20, 20], resize: 27 });
    const [batch] = await collect(data, { batchSize: 1 });
    expect(valuesOf(batch!.targets!["mask"])).toEqual([...(idsOf("mask-pil.npy").data as Uint8Array)]);
  });

  it("that are not there, or are none, are refused by name", async () => {
    for (let i = 0; i < 5; i++) await writeImage(at(`pictures/${i}.png`), pattern(72), [4, 6]);
    mkdirSync(at("masks"));
    const spec = `folder:${at("pictures")},masks=${at("masks")}`;
    await expect(open(spec)).rejects.toThrow(
      /there is no .*0\.png, the mask of .*0\.png \(and so for 3 more of 4 pictures\)/,
    );
    const first = async () => collect(await open(spec), { batchSize: 4 });
    for (let i = 0; i < 5; i++) await writeImage(at(`masks/${i}.png`), pattern(72), [4, 6]);
    await expect(first()).rejects.toThrow(
      /masks.[0-3]\.png holds colours; a mask is a PNG file of 8 bits or fewer, gray/,
    );
    for (let i = 0; i < 5; i++) await write(`masks/${i}.png`, pattern(30), [5, 6]);
    await expect(first()).rejects.toThrow(/\.png has 5 x 6 pixels \(height x width\), .*\.png 4 x 6/);
    for (let i = 0; i < 5; i++) writeFileSync(at(`masks/${i}.png`), "no picture");
    await expect(first()).rejects.toThrow(/is no PNG file/);
    for (let i = 0; i < 5; i++) writeFileSync(at(`masks/${i}.png`), readFileSync(fixture("mask.png")).subarray(0, 300));
    await expect(first()).rejects.toThrow(/cannot be unpacked/);
    await expect(open(`${spec},labels=x`)).rejects.toThrow(/takes masks=DIR behind it, and no labels/);
  });
});

describe("a data set with more behind its path", () => {
  it("has other paths where its files have moved", () => {
    const moved = (path: string): string => `there/${path}`;
    expect(withPath("folder:a,masks=b", moved)).toBe("folder:there/a,masks=there/b");
    expect(withPath("csv:a.csv,boxes=x+y", moved)).toBe("csv:there/a.csv,boxes=x+y");
    expect(withPath("npz:a,b=c.npz", moved)).toBe("npz:there/a,b=c.npz");
    expect(withPath("nothing", moved)).toBe("nothing");
    expect(testPartOf("csv:a.csv,boxes=x+y")).toBe("rows to a.csv whose column split is test");
  });
});
