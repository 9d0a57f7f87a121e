/** Targets of a batch as losses take them: found by name, made to fit, or refused with what is taken. */

import { describe, expect, it } from "vitest";
import type { Batch } from "../../src/data/batches.ts";
import { checkLabels } from "../../src/data/checks.ts";
import { feedsOf, findTarget, fitTarget, hasTarget, requireTarget, targetFeeds } from "../../src/execute/feeds.ts";
import { toNumbers, type Tensor } from "../../src/graph/tensor.ts";

const floats = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype: "float32", shape, data: Float32Array.from({ length: size }, (_, i) => i) };
};
const ids = (values: readonly number[], shape = [values.length]): Tensor => ({
  dtype: "int64",
  shape,
  data: BigInt64Array.from(values, BigInt),
});
const batch = (more: Partial<Batch>): Batch => ({ inputs: { "": floats(2, 3) }, size: 2, ...more });

describe("a target", () => {
  const [one, other] = [floats(2), floats(2, 4)];

  it("is the only one, that of the output, or that of the name", () => {
    expect(findTarget(batch({ target: one }), { name: "", output: "y" })).toBe(one);
    expect(findTarget(batch({ targets: { a: one } }), { name: "", output: "y" })).toBe(one);
    expect(findTarget(batch({ targets: { a: one, y: other } }), { name: "", output: "y" })).toBe(other);
    expect(findTarget(batch({ target: one, targets: { a: other } }), { name: "a", output: "y" })).toBe(other);
    expect(findTarget(batch({ targets: { a: one, b: other } }), { name: "", output: "y" })).toBeUndefined();
    // An array that data without a model took to be an input.
    expect(findTarget({ inputs: { x: one, boxes: other }, size: 2 }, { name: "boxes" })).toBe(other);
    // An array called "target" is the target without a name.
    expect(findTarget(batch({ target: one }), { name: "target" })).toBe(one);
    expect(hasTarget(batch({ target: one }), [{ name: "a" }, { name: "" }])).toBe(true);
    expect(hasTarget(batch({ target: one }), [{ name: "a" }])).toBe(false);
  });

  it.each<[string, Partial<Batch>, Parameters<typeof requireTarget>[1], RegExp]>([
    [
      "another name",
      { targets: { boxes: one, tags: other } },
      { name: "boxs", output: "o", loss: "l1" },
      /^l1 of "o" takes the target "boxs" \(did you mean "boxes"\?\); the data has "boxes", "tags"$/,
    ],
    [
      "one without a name",
      { target: one },
      { name: "boxes" },
      /takes the target "boxes"; the data has one target with/,
    ],
    ["none by name", {}, { name: "boxes" }, /^a loss takes the target "boxes"; the data has no targets$/],
    [
      "several",
      { targets: { a: one, b: other } },
      { name: "" },
      /the data has the targets "a", "b": say by `loss` which/,
    ],
    [
      "none",
      {},
      { name: "" },
      /the data has no targets, and the loss needs them; without labels prune takes `targets: "teacher"`/,
    ],
  ])("that is not there is told with what is: %s", (_, more, wanted, message) => {
    expect(() => requireTarget(batch(more), wanted)).toThrow(message);
  });

  it("is made to fit: whole numbers as floats, and axes of 1", () => {
    expect(fitTarget(ids([0, 1, 1, 0], [2, 2]), { dtype: "float32", shape: [2, 2] })).toEqual({
      dtype: "float32",
      shape: [2, 2],
      data: Float32Array.of(0, 1, 1, 0),
    });
    expect(fitTarget(floats(2), { dtype: "float32", shape: [2, 1] }).shape).toEqual([2, 1]);
    expect(fitTarget(ids([1, 0], [2, 1]), { dtype: "int64", shape: [2] })).toEqual(ids([1, 0]));
    const bytes: Tensor = { dtype: "uint8", shape: [2], data: Uint8Array.of(3, 4) };
    expect(fitTarget(bytes, { dtype: "int64", shape: [2] })).toEqual(ids([3, 4]));
    // An axis of 1 in front counts the samples.
    expect(() => fitTarget(floats(2), { dtype: "float32", shape: [1, 2] })).toThrow(/is float32 \[2\]; the loss takes/);
  });

  it.each<[string, Tensor, Pick<Tensor, "dtype" | "shape">, RegExp]>([
    [
      "floats for ids",
      floats(2),
      { dtype: "int64", shape: [2] },
      /is float32 \[2\]; the loss takes int64 \[2\]: focal on "o" compares with class ids, 0 to 4; numbers .* `loss: "mse"`$/,
    ],
    [
      "ids for floats",
      ids([0, 1]),
      { dtype: "float32", shape: [2, 5] },
      /is int64 \[2\]; the loss takes float32 \[2, 5\]: focal on "o" compares with numbers; class ids .*"cross-entropy"`$/,
    ],
    [
      "a shape",
      floats(2, 4),
      { dtype: "float32", shape: [2, 5] },
      /\[2, 4\]; the loss takes float32 \[2, 5\].*numbers$/,
    ],
  ])("that does not fit is told with what the loss takes: %s", (_, target, form, message) => {
    expect(() => fitTarget(target, form, { name: "", output: "o", loss: "focal", classes: 5 })).toThrow(message);
  });

  it("has class ids that the output has, or that count for nothing", () => {
    const mask = ids([0, 1, 255, 2], [2, 1, 2]);
    const input = { name: "target", dtype: "int64", shape: [2, 1, 2] } as const;
    const wanted = { input: "target", name: "", classes: 3, loss: "cross-entropy" } as const;
    const feeds = (more: object) =>
      targetFeeds([input], { targets: [{ ...wanted, ...more }] }, batch({ target: mask }));
    expect(feeds({ ignore: 255 })).toEqual({ target: mask });
    expect(() => feeds({})).toThrow(
      /sample 1 has label 255; the classes are 0 to 2; what stands for nothing is left out by `loss: .*"ignore": 255/,
    );
    expect(() => feeds({ loss: undefined })).toThrow(/label 255; the classes are 0 to 2$/);
    expect(feeds({ classes: 256, least: -1 })).toEqual({ target: mask });
    expect(() => checkLabels(ids([0, -4]), 3, { least: -3 })).toThrow("sample 1 has label -4");
    expect(() => checkLabels(ids([0, -3]), 3, { least: -3 })).not.toThrow();
    expect(() => checkLabels(ids([0, 7]), 3)).toThrow(/sample 1 has label 7; the classes are 0 to 2$/);
  });

  it("of rows that are filled up may have none, and is shown as it is where it does not fit", () => {
    const input = { name: "target", dtype: "int64", shape: [2, 3] } as const;
    const wanted = { input: "target", name: "", classes: 5, padding: -1, ignore: -1 };
    const feeds = (target: Tensor) => targetFeeds([input], { targets: [wanted] }, batch({ target }));
    expect(toNumbers(feeds(ids([], [2, 0]))["target"]!)).toEqual([-1, -1, -1, -1, -1, -1]);
    expect(() => feeds(ids([1, 2]))).toThrow(/^the target in the data is int64 \[2\]; the loss takes int64 \[2, 3\]/);
  });

  it("of classes along the last axis is told as such", () => {
    const form = { dtype: "int64", shape: [2, 5] } as const;
    const wanted = { name: "", output: "y", loss: "cross-entropy", classes: 3 } as const;
    expect(() => fitTarget(ids([0, 1, 2, 4, 0, 1], [2, 3]), form, wanted)).toThrow(
      /; classes along the last axis go with `loss: .*"axis": -1/,
    );
  });

  it("of classes where masks are taken says how dice takes them", () => {
    const form = { dtype: "float32", shape: [2, 4, 3] } as const;
    const wanted = { name: "", output: "y", loss: "dice" } as const;
    expect(() => fitTarget(ids([0, 1, 2, 3, 0, 1], [2, 3]), form, wanted)).toThrow(
      /class ids go with `loss: .*"kind": "dice", "axis": 1/,
    );
  });

  it("of shares is not below 0 nor above 1", () => {
    const input = { name: "target", dtype: "float32", shape: [2, 1, 2] } as const;
    const wanted = { input: "target", name: "mask", loss: "bce", classes: 0, isShare: true } as const;
    const feeds = (mask: Tensor) => targetFeeds([input], { targets: [wanted] }, batch({ targets: { mask } }));
    expect(toNumbers(feeds(ids([0, 1, 1, 0], [2, 2]))["target"]!)).toEqual([0, 1, 1, 0]);
    expect(() => feeds(ids([0, 0, 255, 255], [2, 2]))).toThrow(
      /^the target "mask" holds 255 in sample 1; bce takes numbers from 0, no, to 1, yes \(and so for 1 more of 4/,
    );
    expect(() => feeds({ dtype: "float32", shape: [2, 2], data: new Float32Array([1, -1, 0, 1]) })).toThrow(
      /holds -1 in sample 0; bce takes numbers from 0, no, to 1, yes$/,
    );
  });
});

it("pictures whose height and width are the wrong way round are told the right size", () => {
  const graph = { inputs: [{ name: "image", dtype: "float32", shape: ["batch", 3, 240, 320] }] } as const;
  const feed = (shape: readonly number[]) => () => feedsOf(graph, { inputs: { "": floats(...shape) }, size: 1 });
  expect(feed([1, 3, 320, 240])).toThrow(
    'input "image" is [batch, 3, 240, 320]; the data has [1, 3, 320, 240]: sizes are height x width, `size: "240x320"`',
  );
  expect(feed([1, 3, 224, 224])).toThrow(/has \[1, 3, 224, 224\]$/);
});
