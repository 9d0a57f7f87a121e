/** A batch of images as it would have been in another form: what it was made of is known from the form that it has. */

import type { Tensor } from "../graph/tensor.ts";
import type { ImageForm } from "./form.ts";
import { normalisationTable, presets } from "./normalise.ts";
import { plainView, toPlanes, writeView, type ImageShape } from "./pixels.ts";

/** [C, H, W] of the images of an input [N, C, H, W] or [N, H, W, C]; `undefined` where it holds no images. */
function shapeOf({ shape, dtype }: Tensor, { layout }: ImageForm): ImageShape | undefined {
  if (shape.length !== 4 || dtype !== "float32") return undefined;
  const [, a, b, c] = shape as [number, number, number, number];
  return layout === "nhwc" ? [c, a, b] : [a, b, c];
}

/**
 * Images in the layout that they have, with the mean, std, scale and channels of another form.
 *
 * @param input float32 [N, C, H, W] or [N, H, W, C], made of bytes by the form `from`
 */
export function reformed(input: Tensor, from: ImageForm, to: ImageForm): Tensor {
  const shape = shapeOf(input, from)!;
  const [channels, height, width] = shape;
  const { layout = "nchw", scale = 1 / 255, mean = [0], std = [1] } = from;
  const [own, plane] = [channels * height * width, height * width];
  const values = input.data as Float32Array;
  const table = normalisationTable(channels, to);
  const swapped = from.channels !== to.channels;
  const data = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += own) {
    const bytes = Uint8Array.from({ length: own }, (_, i) => {
      const c = layout === "nchw" ? Math.floor(i / plane) : i % channels;
      const m = mean[mean.length === 1 ? 0 : c]!;
      const s = std[std.length === 1 ? 0 : c]!;
      return Math.round((values[start + i]! * s + m) / scale);
    });
    const planes = layout === "nchw" ? bytes : toPlanes(bytes, shape);
    if (swapped) {
      const red = planes.slice(0, plane);
      planes.copyWithin(0, 2 * plane);
      planes.set(red, 2 * plane);
    }
    writeView(planes, data.subarray(start, start + own), shape, table, plainView, layout);
  }
  return { ...input, data };
}

/** Forms that networks commonly take: other means, deviations and ranges, and the other order of colours. */
export function commonForms(input: Tensor, form: ImageForm): ImageForm[] {
  const shape = shapeOf(input, form);
  if (shape === undefined || (shape[0] !== 1 && shape[0] !== 3)) return [];
  const names = shape[0] === 1 ? (["unit", "none", "inception", "mnist"] as const) : colourPresets;
  const orders = shape[0] === 1 ? [form.channels] : form.channels === "bgr" ? ["bgr", "rgb"] : ["rgb", "bgr"];
  const { layout, size, resize, channels } = form;
  const rest = { ...(layout && { layout }), ...(size && { size }), ...(resize !== undefined && { resize }) };
  const own = { ...form, ...(channels && { channels }) };
  const ways = orders.flatMap((order) => {
    const there = order === undefined ? {} : { channels: order as NonNullable<ImageForm["channels"]> };
    return [{ ...own, ...there }, ...names.map((name): ImageForm => ({ ...presets[name], ...rest, ...there }))];
  });
  return ways.slice(1);
}

const colourPresets = ["unit", "none", "inception", "imagenet", "cifar10", "clip", "caffe"] as const;
