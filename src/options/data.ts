/** Options that say which data, and how it becomes inputs. */

import { z } from "zod";
import type { Augment, Dataset } from "../data/batches.ts";
import { presets } from "../data/normalise.ts";
import { channelOrders, layouts } from "../data/pixels.ts";
import { callback, count, countOrNone, having, type KindsOf } from "./kinds.ts";

export const dataset = having<Dataset>("a data set, as openDataset gives it", "batches");

export const parts = z.enum(["train", "test"]).describe("part of the data");

const numbers = z.array(z.number());

export const preset = z
  .enum(Object.keys(presets) as (keyof typeof presets)[])
  .describe("mean and std of imagenet, inception, clip, cifar10, mnist or none");
export const mean = numbers.describe("mean of each channel, as 0.485,0.456,0.406");
export const std = numbers.describe("standard deviation of each channel");
export const scale = z.number().positive().describe("factor on pixels of 0 to 255 (default: 1/255)");
export const size = z.tuple([count, count]).describe("size of the model's images, as 224 or 224x160");
export const resize = count.describe("size of the shorter side before the cut (default: what covers it)");
export const layout = z.enum(layouts).describe("order of the axes of an image, nchw unless given");
export const channels = z.enum(channelOrders).describe("channels of an image, rgb unless given");
export const strict = z.boolean().describe("stop at an image that cannot be read; otherwise it is left out");

export const crop = countOrNone.describe("random crops of images, padded by so many pixels");
export const flip = z.boolean().describe("random horizontal flips of images");

export const augment = z.strictObject({
  crop: crop.optional(),
  flip: flip.optional(),
} satisfies KindsOf<Augment>);

/** What pixels become. */
export const normalise = z.strictObject({ mean: mean.optional(), std: std.optional(), scale: scale.optional() });

export const warn = callback<(message: string) => void>();
