/** What a model's file says of images and classes, by whoever wrote it; and a batch as it would be in another form. */

import { describe, expect, it } from "vitest";
import { imageDataset } from "../../src/data/images.ts";
import { commonForms, reformed } from "../../src/data/reform.ts";
import type { Aside, Model } from "../../src/graph/graph.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { openDataset, preprocessingOf, presets, withPreprocessing, type PixelForm } from "../../src/node.ts";
import { inFlags } from "../../src/cli/flags.ts";
import { optionsFor, preprocessingKey } from "../../src/data/preprocessing.ts";
import { emptyGraph, modelOf } from "../support/graphs.ts";
import { collect, pattern } from "../support/images.ts";

const saying = (metadata: Model["metadata"], shape?: (number | string)[], more: Partial<Model> = {}): Model => ({
  ...modelOf({
    ...emptyGraph,
    inputs: [{ name: "x", dtype: "float32", ...(shape && { shape }) }],
    outputs: [{ name: "y", dtype: "float32" }],
    nodes: [{ op: "Relu", domain: "", name: "", inputs: ["x"], outputs: ["y"], attributes: {} }],
  }),
  ...more,
  metadata,
});

const colours = (form: PixelForm) =>
  imageDataset(
    {
      name: "colours",
      shape: [3, 4, 5],
      images: pattern(180),
      labels: Uint8Array.of(0, 1, 1),
      classes: 2,
      classNames: ["a", "b"],
    },
    form,
  );

describe("what is written", () => {
  it("is read again, beside all that was there", () => {
    const model = withPreprocessing(
      saying({ author: "somebody" }, ["N", 3, 4, 5]),
      colours({ ...presets.caffe, channels: "bgr", layout: "nhwc" }),
    );
    const read = decodeModel(encodeModel(model));
    expect(read.metadata["author"]).toBe("somebody");
    expect(preprocessingOf(read)).toMatchObject({
      form: { ...presets.caffe, std: [1], channels: "bgr", layout: "nhwc", size: [4, 5] },
      classes: ["a", "b"],
      remarks: [],
    });
  });

  it("keeps names that the data does not have, and is not touched by data without pixels", () => {
    const model = withPreprocessing(saying({}), colours({}));
    const { labels: _, ...nameless } = colours(presets.none);
    expect(preprocessingOf(withPreprocessing(model, nameless))).toMatchObject({
      form: { scale: 1 },
      classes: ["a", "b"],
    });
    expect(withPreprocessing(model, { name: "numbers", batches: nameless.batches })).toBe(model);
  });

  it.each([
    ["no JSON", /is no JSON/],
    ['{"mean": "bright", "std": [1]}', /has a mean that cannot be/],
    ['{"size": [0, 4]}', /has a size that cannot be/],
    ['{"std": [0]}', /has a std that cannot be/],
    ['{"classes": []}', /has a classes that cannot be/],
    ["null", undefined],
  ])("is passed over with a line where it is %s", (text, remark) => {
    const { form, classes, remarks } = preprocessingOf(saying({ [preprocessingKey]: text }));
    expect(remarks).toEqual(remark ? [expect.stringMatching(remark)] : []);
    expect(form).toEqual(text.includes('"std": [1]') ? { std: [1] } : {});
    expect(classes).toBeUndefined();
  });
});

describe("what others write", () => {
  it.each([
    [
      { "Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255" },
      { scale: 1, channels: "bgr" },
    ],
    [
      { "image.bitmappixelformat": "GRAY8", "image.nominalpixelrange": "normalized_0_1" },
      { scale: 1 / 255, channels: "gray" },
    ],
    [{ "Image.NominalPixelRange": "Normalized_1_1" }, { mean: [0.5], std: [0.5] }],
    [
      { "model_info mean_values": "123.675 116.28 103.53", "model_info scale_values": "58.395 57.12 57.375" },
      { scale: 1, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] },
    ],
    [
      { task: "classify", imgsz: "[224, 192]" },
      { scale: 1 / 255, size: [224, 192] },
    ],
    [{ task: "detect", imgsz: "[640, 640]" }, {}],
  ])("is read of pixels: %j", (metadata, form) =>
    expect(preprocessingOf(saying(metadata as never)).form).toEqual(form),
  );

  it("is read of a range from 16 to 235", () => {
    const { form } = preprocessingOf(saying({ "Image.NominalPixelRange": "NominalRange_16_235" }));
    expect([0, 255].map((x) => x * form.scale! - form.mean![0]!)).toEqual([16, 235]);
  });

  it.each([
    [{ names: "{0: 'tench', 1: \"Ann's dog\"}" }, ["tench", "Ann's dog"]],
    [{ id2label: '{"0": "cat", "1": "dog"}' }, ["cat", "dog"]],
    [{ "model_info labels": "hot_dog cat" }, ["hot_dog", "cat"]],
    [{ classes: "10" }, undefined],
    [{ labels: "[" }, undefined],
  ])("is read of classes: %j", (metadata, classes) =>
    expect(preprocessingOf(saying(metadata as never)).classes).toEqual(classes),
  );

  it("is read of the labels of a classifier's maps", () => {
    const zip = {
      op: "ZipMap",
      domain: "ai.onnx.ml",
      name: "",
      inputs: [],
      outputs: [],
      attributes: { classlabels_strings: { type: "strings", value: ["cat", "dog"] } },
    };
    const aside = { nodes: [zip], constants: new Map(), outputs: [] } as unknown as Aside;
    expect(preprocessingOf(saying({}, undefined, { aside })).classes).toEqual(["cat", "dog"]);
  });

  it("is told where it is not followed", () => {
    const { remarks } = preprocessingOf(
      saying({ "Image.BitmapPixelFormat": "Rgba8", "Image.ColorSpaceGamma": "Linear" }),
    );
    expect(remarks).toEqual([expect.stringMatching(/BitmapPixelFormat rgba8/), expect.stringMatching(/sRGB's gamma/)]);
  });

  it.each([
    [["N", 3, 224, 160], { layout: "nchw", size: [224, 160] }],
    [["N", 224, 224, 3], { layout: "nhwc", size: [224, 224] }],
    [[1, 1, 28, 28], { layout: "nchw", channels: "gray", size: [28, 28] }],
    [["N", 3, "h", "w"], { layout: "nchw" }],
    [["N", 10], {}],
  ])("follows from the shape of an input %j", (shape, form) =>
    expect(preprocessingOf(saying({}, shape)).input).toEqual(form),
  );
});

describe("options", () => {
  it.each([
    [{ ...presets.imagenet, size: [224, 224], resize: 256 }, undefined, "--preset imagenet --size 224 --resize 256"],
    [
      { scale: 1, mean: [1, 2, 3], std: [1], channels: "bgr", layout: "nhwc", size: [2, 3] },
      "imagenet",
      "--scale 1 --mean 1,2,3 --std 1 --channels bgr --layout nhwc --size 2x3 --classes imagenet",
    ],
    [{}, ["cat", "hot dog"], '--classes cat,"hot dog"'],
    [{ mean: [0.5], std: [0.25] }, undefined, "--mean 0.5 --std 0.25"],
    [{ layout: "nchw", channels: "rgb" }, undefined, ""],
  ] as const)("say %j %j", (form, classes, text) =>
    expect(inFlags(optionsFor(form as never, classes as never))).toBe(text),
  );
});

describe("a batch in another form", () => {
  const orders = [
    ["nchw", "rgb"],
    ["nhwc", "rgb"],
    ["nchw", "bgr"],
  ] as const;

  it.each(orders)("is what the data itself gives, %s %s", async (layout, channels) => {
    const own = colours({ ...presets.imagenet, layout, channels });
    const [batch] = await collect(own, { batchSize: 3 });
    const input = batch!.inputs[""]!;
    const others = commonForms(input, own.form!);
    expect(others).toHaveLength(15);
    for (const other of others) {
      const [wanted] = await collect(colours(other), { batchSize: 3 });
      expect(reformed(input, own.form!, other)).toEqual(wanted!.inputs[""]!);
    }
  });
});

describe("data for a model", () => {
  it("takes no list of classes that is not there", () =>
    expect(openDataset("mnist:nowhere", { split: "test", classes: "no-list.txt" })).rejects.toThrow(/nowhere has no/));
});
