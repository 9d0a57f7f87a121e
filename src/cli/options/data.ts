/** Options that say which data, and how it becomes inputs. */

import type { Command } from "commander";
import { z } from "zod";
import type { Augment, Dataset } from "../../data/batches.ts";
import { presets, type Normalise, type PresetName } from "../../data/normalise.ts";
import type { Channels, ImageSize, Layout } from "../../data/form.ts";
import type { Model } from "../../graph/graph.ts";
import { openDataset } from "../../jobs/dataset-node.ts";
import {
  channels,
  classesText,
  labelsAreRight,
  layout,
  mean,
  preset,
  resize,
  scale,
  size,
  std,
  strict,
} from "../../options/data.ts";
import { crop, flip } from "../../options/learning.ts";
import type { Context } from "../context.ts";
import { note } from "../output.ts";
import { flag, withGroup } from "./flag.ts";
import { imageSizeOf } from "./values.ts";

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
  readonly classes?: string;
  readonly labelsAreRight?: boolean;
}

const spec = z.string().describe("folder, parquet, cifar10 or mnist:DIR; csv, npz or module:FILE");

/** `--data` and how its pixels become inputs. */
export const withData = (command: Command, required = true): Command =>
  withGroup(
    command,
    "Data",
    [
      required ? flag("--data <spec>", spec).makeOptionMandatory() : flag("--data <spec>", spec),
      flag("--preset <name>", preset),
      flag("--mean <list>", mean),
      flag("--std <list>", std),
      flag("--size <pixels>", size, imageSizeOf),
    ],
    [
      flag("--scale <number>", scale),
      flag("--resize <pixels>", resize),
      flag("--layout <layout>", layout),
      flag("--channels <order>", channels),
      flag("--classes <list>", classesText),
      flag("--strict", strict),
      flag("--labels-are-right", labelsAreRight),
    ],
  );

export interface AugmentFlags {
  readonly crop?: number;
  readonly flip?: boolean;
}

export const withAugment = (command: Command): Command =>
  withGroup(command, "Data", [flag("--crop <pixels>", crop), flag("--flip", flip)]);

export function augmentOf({ crop, flip }: AugmentFlags): Augment | undefined {
  return crop === undefined && !flip
    ? undefined
    : { ...(crop === undefined ? {} : { crop }), ...(flip ? { flip } : {}) };
}

/** Opens one part of the data that the flags name. */
export function openData(
  flags: DataFlags & { readonly data: string },
  split: "train" | "test",
  model: Model,
  { noteOnce }: Context,
): Promise<Dataset> {
  const { preset, mean, std, scale, size, resize, layout, channels, strict, classes } = flags;
  const own = Object.entries({ mean, std, scale }).filter(([, value]) => value !== undefined);
  const normalise: Normalise = { ...(preset && presets[preset]), ...Object.fromEntries(own) };
  return openDataset(flags.data, {
    split,
    ...(Object.keys(normalise).length > 0 && { normalise }),
    size,
    resize,
    layout,
    channels,
    strict,
    classes,
    model,
    onNote: noteOnce,
    warn: note,
  });
}
