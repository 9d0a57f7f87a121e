/** Options that several commands share, and what they are read into. */

import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Augment, Dataset } from "../data/batches.ts";
import type { ImageSize } from "../data/decode-node.ts";
import { presets, type Normalise, type PresetName } from "../data/normalise.ts";
import { channelOrders, layouts, type Channels, type Layout } from "../data/pixels.ts";
import { datasetForms, openDataset } from "../data/spec-node.ts";
import type { Shape } from "../graph/tensor.ts";
import { newestOpset, oldestOpset } from "../onnx/opsets.ts";
import type { NormaliseOptions } from "../passes/normalise.ts";
import { criteria } from "../criteria/table.ts";
import { gatePlaces, type GatePlace } from "../prune/gate-places.ts";
import { withForm } from "./forms.ts";
import { devices, type Device } from "../runtime/port.ts";
import type { RecomputedStep } from "../train/fit-step.ts";
import { losses, type Loss } from "../train/losses.ts";
import { gigabytes } from "../train/memory.ts";
import { optimisers, type OptimiserOptions } from "../train/optimisers.ts";
import { rateSchedules, type RateScheduleName } from "../train/schedules.ts";
import { note } from "./output.ts";

/** Parses a number within bounds, or says which. */
export function numberIn(low: number, high: number, whole = false): (text: string) => number {
  const from = low === Number.MIN_VALUE ? "above 0" : `from ${low}`;
  const bounds = high === Number.MAX_VALUE || high === Number.MAX_SAFE_INTEGER ? from : `${from} to ${high}`;
  const parse = (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= low && value <= high) || (whole && !Number.isInteger(value)))
      throw new InvalidArgumentError(`It must be a ${whole ? "whole " : ""}number ${bounds}.`);
    return value;
  };
  return withForm(parse, {
    type: whole ? "integer" : "number",
    ...(low === Number.MIN_VALUE ? { exclusiveMinimum: 0 } : { minimum: low }),
    ...(high === Number.MAX_VALUE || high === Number.MAX_SAFE_INTEGER ? {} : { maximum: high }),
  });
}

export const count = numberIn(1, Number.MAX_SAFE_INTEGER, true);
export const countOrNone = numberIn(0, Number.MAX_SAFE_INTEGER, true);
/** A count, or what suits the machine. */
export const countOrAuto = withForm((text: string): number | "auto" => (text === "auto" ? text : count(text)), {
  anyOf: [{ const: "auto" }, { type: "integer", minimum: 1 }],
});
export const seed = numberIn(0, Number.MAX_SAFE_INTEGER, true);
export const positive = numberIn(Number.MIN_VALUE, Number.MAX_VALUE);
/** More threads than any processor has make the runtime hang for minutes. */
const threadCount = numberIn(1, 256, true);
/** A learning rate, or what a trial finds. */
export const rateOrAuto = withForm((text: string): number | "auto" => (text === "auto" ? text : positive(text)), {
  anyOf: [{ const: "auto" }, { type: "number", exclusiveMinimum: 0 }],
});
export const notNegative = numberIn(0, Number.MAX_VALUE);

const unitsOfMemory = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;

/** Bytes, or as 800MB and 2GB. */
export const memorySize = withForm(
  (text: string): number => {
    const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*(?:([KMG])i?B)?$/i.exec(text.trim()) ?? [];
    const bytes = Number(number) * unitsOfMemory[unit.toUpperCase() as keyof typeof unitsOfMemory];
    if (!(bytes >= 1)) throw new InvalidArgumentError("It must be bytes, or look like 800MB or 2GB.");
    return Math.floor(bytes);
  },
  {
    anyOf: [
      { type: "integer", minimum: 1 },
      { type: "string", pattern: "^[0-9.]+ *([KMGkmg]i?[Bb])?$" },
    ],
  },
);

function numberList(text: string): number[] {
  const values = text.split(",").map(Number);
  if (values.some((value) => !Number.isFinite(value)))
    throw new InvalidArgumentError("It must be numbers with commas between them.");
  return values;
}

/** 3x32x32 */
export function sizesOf(text: string): Shape {
  if (!/^\d+(x\d+)*$/.test(text)) throw new InvalidArgumentError("It must look like 3x32x32.");
  return text.split("x").map(Number);
}

function shapeOf(text: string, known: Record<string, Shape> = {}): Record<string, Shape> {
  const [, name, sizes] = /^(.+)=(\d+(?:x\d+)*)$/.exec(text) ?? [];
  if (name === undefined || sizes === undefined) throw new InvalidArgumentError("It must look like NAME=1x3x224x224.");
  return { ...known, [name]: sizesOf(sizes) };
}

export interface ShapeFlags {
  readonly shape?: Readonly<Record<string, Shape>>;
}

export const withShape = (command: Command): Command =>
  command.option(
    "--shape <name=sizes>",
    "the shape to look at an input with whose sizes the file leaves open, as input=1x3x224x224; they stay open; may be repeated",
    shapeOf,
  );

/** Said once, however often a command looks at the model. */
const told = new Set<string>();
const tellOnce = (text: string): void => {
  if (!told.has(text)) note(text);
  told.add(text);
};

export const shapesOf = ({ shape }: ShapeFlags): NormaliseOptions => ({
  ...(shape && { shapes: shape }),
  onNote: tellOnce,
});

export interface OpsetFlags {
  readonly opset?: number;
}

export const withOpset = (command: Command): Command =>
  command.option(
    "--opset <n>",
    `ONNX opset of what is written, ${oldestOpset} to ${newestOpset} (default: that of the model)`,
    numberIn(oldestOpset, newestOpset, true),
  );

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

export interface DeviceFlags {
  readonly device: Device;
}

export const withDevice = (command: Command): Command =>
  command.addOption(new Option("--device <device>", "what the runtime computes on").choices(devices).default("cpu"));

export interface ComputeFlags extends DeviceFlags {
  readonly threads: number;
}

export const withCompute = (command: Command): Command =>
  withDevice(command).addOption(
    new Option("--threads <n>", "threads of the runtime")
      .argParser(threadCount)
      .default(Math.min(256, availableParallelism()), "one for each core"),
  );

export interface RunFlags extends ComputeFlags {
  readonly loss: Loss;
  readonly batchSize: number;
  readonly seed: number;
}

export const withRun = (command: Command, batchSize = 128): Command =>
  withCompute(
    command
      .addOption(new Option("--loss <loss>", "what is minimised").choices(losses).default("cross-entropy"))
      .option("--batch-size <n>", "samples of a minibatch", count, batchSize)
      .option("--seed <n>", "the same seed gives the same bytes", seed, 0),
  );

/** What tells importance, and where and how it is measured. */
export interface CriterionFlags {
  readonly criterion: string;
  readonly gates: GatePlace;
  readonly probes?: number;
}

export const withCriterion = (command: Command): Command =>
  command
    .addOption(
      new Option("--criterion <name>", "what tells importance (see secateur criteria)")
        .choices([...criteria.keys()])
        .default("taylor-fo"),
    )
    .addOption(
      new Option("--gates <place>", "where gates stand: the default is where they remove a unit")
        .choices(gatePlaces)
        .default("after-bn"),
    )
    .option(
      "--probes <n>",
      "random directions to estimate second derivatives from; 0 is exact (default: 0 up to 300 units, else 32)",
      seed,
    );

/** The optimiser, its schedule, and what keeps it from learning by heart. */
export interface LearnFlags extends RunFlags, AugmentFlags {
  readonly optimiser: (typeof optimisers)[number];
  readonly momentum: number;
  readonly weightDecay?: number;
  readonly clip?: number;
  readonly learningRate: number | "auto";
  readonly minLearningRate: number;
  readonly rateSchedule: RateScheduleName;
  readonly milestones?: number[];
  readonly labelSmoothing: number;
  readonly mixup?: number;
  readonly workers: number | "auto";
  readonly memory?: number;
  readonly ema?: number;
}

const weightDecays = { sgd: 5e-4, adamw: 1e-2 } as const;

export const withLearning = (command: Command): Command =>
  withAugment(withRun(command))
    .option(
      "--learning-rate <rate>",
      "highest learning rate; auto: found by a short trial on a copy",
      rateOrAuto,
      "auto",
    )
    .addOption(
      new Option("--rate-schedule <name>", "how the learning rate falls: along half a cosine, a line, in steps, or not")
        .choices(rateSchedules)
        .default("cosine"),
    )
    .option("--min-learning-rate <rate>", "what the learning rate falls to", notNegative, 0)
    .option(
      "--milestones <list>",
      "shares of the run at which steps divide the learning rate by 10 (default: 0.5,0.75)",
      numberList,
    )
    .addOption(new Option("--optimiser <name>", "what makes steps of gradients").choices(optimisers).default("sgd"))
    .option("--momentum <share>", "momentum of sgd (Nesterov's)", numberIn(0, 1), 0.9)
    .option(
      "--weight-decay <rate>",
      `decay of weights; biases and normalisations are not decayed (default: ${weightDecays.sgd}, of adamw ${weightDecays.adamw})`,
      notNegative,
    )
    .option(
      "--workers <n>",
      "threads that each learn from a part of every minibatch; BatchNormalization then takes the statistics of a part. auto: one for each of --threads, where it pays, of 16 samples or more if there are such statistics",
      countOrAuto,
      "auto",
    )
    .option(
      "--memory <size>",
      "what the process should stay below while it learns, as 2GB: activations that would take more are computed twice instead of kept, with the same results",
      memorySize,
    )
    .option("--clip <norm>", "scale the gradients of a step down to this norm of them all", positive)
    .option("--label-smoothing <share>", "share of a label that is spread over all classes", numberIn(0, 1), 0)
    .option("--mixup <alpha>", "learn from mixtures of two samples by shares from Beta(alpha, alpha)", positive)
    .option(
      "--ema <decay>",
      "take the moving average of the weights by this decay, as 0.999, and not the last ones; not while pruning",
      numberIn(0, 0.999999),
    );

function optimiserOf({ optimiser, momentum, weightDecay = weightDecays[optimiser] }: LearnFlags): OptimiserOptions {
  return optimiser === "sgd" ? { kind: optimiser, momentum, weightDecay } : { kind: optimiser, weightDecay };
}

export const learnOptions = (flags: LearnFlags, signal: AbortSignal) => ({
  loss: flags.loss,
  batchSize: flags.batchSize,
  seed: flags.seed,
  device: flags.device,
  threads: flags.threads,
  augment: augmentOf(flags),
  optimiser: optimiserOf(flags),
  clip: flags.clip,
  rateSchedule: flags.rateSchedule,
  minRate: flags.minLearningRate,
  milestones: flags.milestones,
  labelSmoothing: flags.labelSmoothing,
  mixup: flags.mixup,
  workers: flags.workers,
  memory: flags.memory,
  onRecompute: noteRecompute(),
  ema: flags.ema,
  signal,
});

/** Says once what learning below a size takes: pruning opens a step after every removal. */
function noteRecompute(): (recomputed: RecomputedStep) => void {
  let isSaid = false;
  return ({ nodes, kept, expected }) => {
    if (isSaid) return;
    isSaid = true;
    note(
      `a step of training would take about ${gigabytes(kept)}: ${nodes} nodes of its graph are run twice, so that about ${gigabytes(expected)} will do`,
    );
  };
}
