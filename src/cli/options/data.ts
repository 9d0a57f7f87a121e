/** Options that say which data, and how it becomes inputs. */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { Augment, Dataset } from "../../data/batches.ts";
import type { ImageSize } from "../../data/decode-node.ts";
import { presets, type Normalise, type PresetName } from "../../data/normalise.ts";
import { channelOrders, layouts, type Channels, type Layout } from "../../data/pixels.ts";
import { datasetForms } from "../../data/spec-node.ts";
import { openDataset } from "../../jobs/dataset-node.ts";
import { note } from "../output.ts";
import { count, numberList, positive } from "./values.ts";

export interface DataFlags {
  readonly data?: string;
  readonly mean?: number[];
  readonly std?: number[];
  readonly scale?: number;
  readonly preset?: PresetName;
  readonly size?: ImageSize;
  readonly resize?: number;
  readonly layout?: Layout;
  readonly channels?: Channels;
  readonly strict?: boolean;
}

/** 224, or height and width as 224x160. */
function imageSizeOf(text: string): ImageSize {
  const [, height, width = height] = /^([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?$/.exec(text) ?? [];
  if (height === undefined) throw new InvalidArgumentError("It must look like 224 or 224x160, height before width.");
  return [Number(height), Number(width)];
}

/** `--data` and how its pixels become inputs. */
export const withData = (command: Command, required = true): Command => {
  const data = new Option("--data <spec>", `the data: ${datasetForms.join(", ")}`);
  return command
    .addOption(required ? data.makeOptionMandatory() : data)
    .addOption(
      new Option("--preset <name>", "mean, std and scale that well-known networks take").choices(Object.keys(presets)),
    )
    .option("--mean <list>", "mean of each channel, subtracted after scaling, as 0.485,0.456,0.406", numberList)
    .option("--std <list>", "standard deviation of each channel, divided by", numberList)
    .option("--scale <number>", "factor on pixels of 0..255 (default: 1/255)", positive)
    .option(
      "--size <pixels>",
      "size of the model's input, as 224 or 224x160; encoded images are cut to it",
      imageSizeOf,
    )
    .option("--resize <pixels>", "what the shorter side is resized to before the cut (default: what covers it)", count)
    .addOption(new Option("--layout <layout>", "order of the axes of an image (default: nchw)").choices(layouts))
    .addOption(new Option("--channels <order>", "the channels of an image (default: rgb)").choices(channelOrders))
    .option("--strict", "stop at an image that cannot be read instead of leaving it out");
};

export interface AugmentFlags {
  readonly crop?: number;
  readonly flip?: boolean;
}

export const withAugment = (command: Command): Command =>
  command
    .option("--crop <pixels>", "random crops after padding by so many pixels", count)
    .option("--flip", "random horizontal flips");

export function augmentOf({ crop, flip }: AugmentFlags): Augment | undefined {
  return crop === undefined && !flip
    ? undefined
    : { ...(crop === undefined ? {} : { crop }), ...(flip ? { flip } : {}) };
}

/** Opens one part of the data that the flags name. */
export function openData(flags: DataFlags & { readonly data: string }, split: "train" | "test"): Promise<Dataset> {
  const { mean, std, scale, preset, size, resize, layout, channels, strict } = flags;
  const normalise: Normalise = {
    ...(preset ? presets[preset] : {}),
    ...(mean ? { mean } : {}),
    ...(std ? { std } : {}),
    ...(scale === undefined ? {} : { scale }),
  };
  return openDataset(flags.data, {
    split,
    ...(Object.keys(normalise).length > 0 ? { normalise } : {}),
    ...(size ? { size } : {}),
    ...(resize === undefined ? {} : { resize }),
    ...(layout ? { layout } : {}),
    ...(channels ? { channels } : {}),
    ...(strict ? { strict } : {}),
    warn: note,
  });
}
