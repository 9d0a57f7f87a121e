/**
 * What a model's file says of the images that it takes and of its classes: what Secateur writes, and what others do.
 */

import { option } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Dataset } from "./batches.ts";
import { builtInLists, parseClasses } from "./class-list.ts";
import { channelOrders, layouts, type Channels, type ImageForm } from "./form.ts";
import { presets, type Normalise } from "./normalise.ts";

/** The key of the file's metadata that all of it stands under, as JSON. */
export const preprocessingKey = "secateur.preprocessing";

/** How pixels become the model's input, and which class each output is. */
export interface Preprocessing {
  /** What the file's metadata says. */
  readonly form: ImageForm;
  /** What follows from the shape of a single input of images. */
  readonly input: ImageForm;
  /** The names of the classes in the order of the outputs, or the name of a built-in list. */
  readonly classes?: string | readonly string[];
  /** What the file says that is not followed, in a sentence each. */
  readonly remarks: readonly string[];
}

type Described = Pick<Model, "metadata" | "graph" | "aside">;

/**
 * What the file of a model says of its input and its classes. Metadata that Secateur wrote decides. Else it is ONNX's
 * own keys for images, what Ultralytics and OpenVINO's exporters write, and the labels of a classifier's maps.
 *
 * @example
 * import { load, preprocessingOf } from "secateur";
 *
 * const { form, classes } = preprocessingOf(await load("model.onnx"));
 * console.log(form.size, form.mean, classes);
 */
export function preprocessingOf(model: Described): Preprocessing {
  const { metadata } = model;
  const remarks: string[] = [];
  const own = metadata[preprocessingKey];
  const said = own === undefined ? saidByOthers(model, remarks) : saidByUs(own, remarks);
  const { classes, ...form } = said;
  return { form, input: formOfInput(model), ...(classes && { classes }), remarks };
}

type Said = ImageForm & { readonly classes?: string | readonly string[] };

function saidByUs(text: string, remarks: string[]): Said {
  let given: Readonly<Record<string, unknown>> = {};
  try {
    given = JSON.parse(text) as typeof given;
  } catch {
    remarks.push(`the model's metadata "${preprocessingKey}" is no JSON: it is passed over`);
  }
  const checks: Readonly<Record<keyof Said, (value: unknown) => boolean>> = {
    scale: (value) => Number.isFinite(value) && value !== 0,
    mean: isNumbers,
    std: (value) => isNumbers(value) && value.every((one) => one > 0),
    layout: (value) => layouts.includes(value as never),
    channels: (value) => channelOrders.includes(value as never),
    size: (value) => isNumbers(value) && value.length === 2 && value.every(isCount),
    resize: isCount,
    classes: (value) =>
      builtInLists.includes(value as never) ||
      (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string")),
  };
  const entries = Object.entries(checks).flatMap(([key, isRight]) => {
    const value = Object.hasOwn(Object(given), key) ? given[key] : undefined;
    if (value !== undefined && !isRight(value))
      remarks.push(`the model's metadata "${preprocessingKey}" has a ${key} that cannot be: it is passed over`);
    return value !== undefined && isRight(value) ? [[key, value] as const] : [];
  });
  return Object.fromEntries(entries);
}

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => Number.isFinite(one));
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;

/** Nominal ranges of ONNX's metadata for images, as scale, mean and std. */
const ranges: Readonly<Record<string, Normalise>> = {
  nominalrange_0_255: presets.none,
  normalized_0_1: presets.unit,
  normalized_1_1: presets.inception,
  nominalrange_16_235: { scale: 219 / 255, mean: [-16] },
};
const formats: Readonly<Record<string, Channels>> = { gray8: "gray", rgb8: "rgb", bgr8: "bgr" };

function saidByOthers({ metadata, aside }: Described, remarks: string[]): Said {
  // ONNX's own keys and values are read without case.
  const lower = new Map(Object.entries(metadata).map(([key, value]) => [key.toLowerCase(), value]));
  const image = (key: string): string | undefined => lower.get(`image.${key}`)?.toLowerCase();
  const [format, range] = [image("bitmappixelformat"), image("nominalpixelrange")];
  const channels = format === undefined ? undefined : formats[format];
  if (format !== undefined && channels === undefined)
    remarks.push(
      `the model's file says Image.BitmapPixelFormat ${format}, which no data here has: ` +
        `${option("channels")} says which channels it gets`,
    );
  if (image("colorspacegamma") === "linear")
    remarks.push(
      "the model's file says Image.ColorSpaceGamma Linear: pixels are given as they are stored, with sRGB's gamma",
    );
  const labels = aside?.nodes.flatMap(({ attributes }) => attributes["classlabels_strings"]?.value ?? []) as
    | string[]
    | undefined;
  const classes = classNamesIn(lower) ?? (labels && labels.length > 0 ? labels : undefined);
  // Ultralytics' classifiers take 0 to 1; its other tasks put images into a frame, which no option here does.
  const sides = lower.get("task") === "classify" ? lower.get("imgsz")?.match(/\d+/g)?.map(Number) : undefined;
  return {
    ...(sides && { ...presets.unit, size: [sides[0]!, sides[1] ?? sides[0]!] as const }),
    ...openvino(lower),
    ...(range !== undefined && ranges[range]),
    ...(channels && { channels }),
    ...(classes && { classes }),
  };
}

/** What OpenVINO's training extensions write: means and deviations of bytes. */
function openvino(lower: ReadonlyMap<string, string>): Normalise {
  const numbers = (key: string): number[] | undefined => {
    const values = lower.get(`model_info ${key}`)?.trim().split(/\s+/).map(Number);
    return isNumbers(values) ? values : undefined;
  };
  const [mean, std] = [numbers("mean_values"), numbers("scale_values")];
  return mean && std?.every((one) => one > 0) ? { scale: 1, mean, std } : {};
}

/** Keys that names of classes stand under. */
const classKeys = ["names", "class_names", "classes", "labels", "id2label"];

function classNamesIn(lower: ReadonlyMap<string, string>): readonly string[] | undefined {
  const listed = lower.get("model_info labels")?.trim();
  if (listed) return listed.split(/\s+/);
  const text = classKeys
    .map((key) => lower.get(key)?.trim())
    .find((value) => value !== undefined && /^[[{]/.test(value));
  if (text === undefined) return undefined;
  try {
    return parseClasses(text, "the model's metadata").classes.map(([name]) => name!);
  } catch {
    // A number of classes, or something else by the same name.
    return undefined;
  }
}

/** Layout, size and channels of a single input of images. */
function formOfInput({ graph }: Described): ImageForm {
  const [input, another] = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const [, a, b, c] = input?.shape ?? [];
  if (another || input?.shape?.length !== 4) return {};
  const isColours = (dim: unknown): boolean => dim === 1 || dim === 3;
  const layout = input.axisDenotations?.[3] === "DATA_CHANNEL" || (!isColours(a) && isColours(c)) ? "nhwc" : "nchw";
  const [channels, height, width] = layout === "nchw" ? [a, b, c] : [c, a, b];
  return {
    layout,
    ...(channels === 1 && { channels: "gray" as const }),
    ...(typeof height === "number" && typeof width === "number" && { size: [height, width] as const }),
  };
}

/**
 * The model with what its data was: how its pixels became inputs, and which classes it has. Data
 * that does not say so changes nothing.
 */
export function withPreprocessing<M extends Described>(model: M, { form, labels, classList }: Dataset): M {
  if (form === undefined) return model;
  const list = builtInLists.find((name) => name === classList && name !== "numbers");
  const classes = list ?? labels ?? preprocessingOf(model).classes;
  const said: Said = { ...form, ...(classes && { classes }) };
  return { ...model, metadata: { ...model.metadata, [preprocessingKey]: JSON.stringify(said) } };
}

/** Names that are written out. */
const mostNames = 12;

/** A form and classes as the options that say the same. */
export function optionsFor(
  { scale, mean, std, layout, channels, size, resize }: ImageForm,
  classes?: string | readonly string[],
  isWhole = false,
): string {
  const names = typeof classes === "string" ? undefined : classes;
  const many = !isWhole && names && names.length > mostNames;
  return [
    ...((scale ?? mean ?? std)
      ? [normalisationOptions({ ...(scale && { scale }), ...(mean && { mean }), ...(std && { std }) })]
      : []),
    ...(channels && channels !== "rgb" ? [option("channels", channels)] : []),
    ...(layout === "nhwc" ? [option("layout", layout)] : []),
    ...(size ? [option("size", size)] : []),
    ...(resize ? [option("resize", resize)] : []),
    ...(many ? [`${names.length} names of classes`] : classes ? [option("classes", classes)] : []),
  ].join(" ");
}

/** Some names, and how many there are. */
export const namesFor = (names: readonly string[]): string =>
  names.length > mostNames
    ? `${names.slice(0, mostNames).join(", ")} and ${names.length - mostNames} more`
    : names.join(", ");

function normalisationOptions(own: Normalise): string {
  const known = Object.entries(presets).find(([, preset]) => isSame(own, preset));
  if (known) return option("preset", known[0]);
  const { scale = 1 / 255, mean = [0], std = [1] } = own;
  return [...(scale === 1 / 255 ? [] : [option("scale", scale)]), option("mean", mean), option("std", std)].join(" ");
}

/** Whether two normalisations give the same of three channels. */
export function isSame(a: Normalise, b: Normalise): boolean {
  const all = ({ scale = 1 / 255, mean = [0], std = [1] }: Normalise): number[] => [
    scale,
    ...[mean, std].flatMap((list) => (list.length === 1 ? [list[0]!, list[0]!, list[0]!] : list)),
  ];
  return all(a).join() === all(b).join();
}
