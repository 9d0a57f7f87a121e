/** Options that say which data, and how it becomes inputs. */

import { z } from "zod";
import type { Dataset } from "../data/batches.ts";
import { presets } from "../data/normalise.ts";
import { channelOrders, layouts } from "../data/form.ts";
import { builtInLists } from "../data/class-list.ts";
import type { Model } from "../graph/graph.ts";
import { callback, count, having, words } from "./kinds.ts";

export const dataset = having<Dataset>("a data set, as openDataset gives it", "batches");

export const parts = z.enum(["train", "test"]).describe("part of the data");

const numbers = z.array(z.number()).readonly();

export const preset = z
  .enum(Object.keys(presets) as (keyof typeof presets)[])
  .describe("mean and std of imagenet, inception, clip, cifar10, mnist, caffe, unit or none");
export const mean = numbers.describe("mean of each channel, as 0.485,0.456,0.406");
export const std = numbers.describe("standard deviation of each channel");
export const scale = z.number().positive().describe("factor on pixels of 0 to 255 (default: 1/255)");
export const size = z.tuple([count, count]).readonly().describe("size of the model's images, as 224 or 224x160");
export const resize = count.describe("size of the shorter side before cropping (default: what covers the size)");
export const layout = z.enum(layouts).describe("order of the axes of an image, nchw unless given");
export const channels = z.enum(channelOrders).describe("channels of an image, rgb unless given");
export const strict = z.boolean().describe("stop at an image that cannot be read; otherwise it is left out");

/** What pixels become. */
export const normalise = z.strictObject({ mean: mean.optional(), std: std.optional(), scale: scale.optional() });

/** The classes in the order of the model's outputs, by the name of a list, a file or names with commas between. */
export const classesText = z
  .string()
  .register(words, { takes: `${builtInLists.join(", ")}, a file, names with commas between, or "data"` })
  .describe(`names of the model's classes in order: a file, a,b,c, ${builtInLists.join(", ")}, or data as it is`);
export const classes = z.union([classesText, z.array(z.string()).min(1).readonly()]);

/** A model, of which what its file says is read. */
export const described = z
  .custom<Pick<Model, "metadata" | "graph" | "aside">>(
    (value) => typeof (value as Partial<Model> | null)?.metadata === "object",
  )
  .register(words, { takes: "a model, as load gives it" });

export const labelsAreRight = z.boolean().describe("go on although the labels look wrong for the model");

export const warn = callback<(message: string) => void>();
