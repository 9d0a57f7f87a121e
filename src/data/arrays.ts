/** Named arrays in memory whose first axes count the samples, as a data set. */

import { fail, option } from "../graph/error.ts";
import { fromHalf } from "../graph/half.ts";
import { take, type Tensor } from "../graph/tensor.ts";
import type { Batch } from "./batches.ts";
import { checkFinite } from "./checks.ts";
import { inMemory, pixelDataset } from "./images.ts";
import { normalisationTable, type Normalise } from "./normalise.ts";
import type { ImageForm, PixelForm } from "./form.ts";
import { toChannels, toPlanes, type ImageShape, type Planes } from "./pixels.ts";
import { sampleDataset, type SampleDataset } from "./samples.ts";
import { asTarget, classesOf, targetRows, type TargetArrays } from "./targets.ts";

export interface ArraySource {
  readonly name: string;
  /** By the name of the model's input, or "" for the only one. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly target?: Tensor;
  /** Where there are several: targets by their names. */
  readonly targets?: Readonly<Record<string, Tensor>>;
}

/** Images have as many channels as this or fewer: gray, with alpha, three colours, and those with alpha. */
const mostChannels = 4;

/**
 * uint8 is pixels, float16 and float64 become float32, which is what models compute in; all else is given as it is. A
 * single input of uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] is images, which can be augmented. A target of integers
 * [N] or [N, 1] is class ids of the samples, and of more axes class ids of places. Fails with `bad-data` where the
 * arrays do not go together, and with `bad-option` on a form for pixels where there are none.
 *
 * @param stated what is not in `form`, for pixels alone: it is passed over where there are none
 */
export function arrayDataset(
  { name, inputs, target: given, targets: several = {} }: ArraySource,
  form: PixelForm = {},
  stated: PixelForm = {},
): SampleDataset {
  const size = checkSizes(name, [
    ...Object.entries(inputs).map(([key, value]) => [key || "the input", value] as const),
    ...(given ? [["target", given] as const] : []),
    ...Object.entries(several).map(([key, value]) => [`the target "${key}"`, value] as const),
  ]);
  const target = given && asTarget(`${name}: the target`, given);
  const named = Object.entries(several).map(([key, value]) => [key, asTarget(`${name}: the target "${key}"`, value)]);
  const classes = classesOf(target)?.reduce((most, id) => Math.max(most, id + 1), 0);
  const about = {
    name,
    size,
    ...(classes !== undefined && { classes }),
    ...(target && { target }),
    ...(named.length > 0 && { targets: Object.fromEntries(named) as Record<string, Tensor> }),
  };
  const images = inputs[""] && planesOf(inputs[""]);
  if (images) {
    const whole = { ...stated, ...form };
    return pixelDataset({ ...about, ...inMemory(toChannels(images, whole.channels, name)) }, whole);
  }
  const { layout: _, channels: __, ...normalise } = stated;
  const hasBytes = Object.values(inputs).some(({ dtype }) => dtype === "uint8");
  const used = hasBytes ? { ...normalise, ...form } : form;
  return tensorDataset({ ...about, ...(hasBytes && { form: used }) }, prepare(name, inputs, used));
}

function tensorDataset(
  {
    target,
    targets,
    ...about
  }: { readonly name: string; readonly size: number; readonly form?: ImageForm } & TargetArrays,
  inputs: Readonly<Record<string, Tensor>>,
): SampleDataset {
  return sampleDataset<number>({
    ...about,
    open(name, { augment }) {
      if (augment)
        fail(
          "bad-option",
          `data set ${name}: augmentation (${option("augment.crop")}, ${option("augment.flip")}) is for ` +
            "images, a single array of uint8",
        );
      return {
        read: (indices) => [...indices],
        toBatch(samples) {
          const rows = (tensor: Tensor): Tensor => take(tensor, 0, samples);
          const batch: Batch = {
            inputs: Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, rows(value)])),
            size: samples.length,
            ...targetRows({ ...(target && { target }), ...(targets && { targets }) }, samples),
          };
          checkFinite(batch, `data set ${name}: a batch`);
          return batch;
        },
      };
    },
  });
}

function checkSizes(name: string, arrays: readonly (readonly [what: string, value: Tensor])[]): number {
  const sizes = arrays.map(([what, { shape }]) => [what, shape[0] ?? 0] as const);
  const [, size] = sizes[0]!;
  if (size === 0) fail("bad-data", `${name}: ${sizes[0]![0]} has no samples`);
  const other = sizes.find(([, own]) => own !== size);
  if (other)
    fail("bad-data", `${name}: ${sizes[0]![0]} has ${size} samples and ${other[0]} ${other[1]}; the first axes differ`);
  return size;
}

/** uint8 images of a single input as planes; `undefined` where they are no images. */
function planesOf({ dtype, shape, data }: Tensor): Planes | undefined {
  if (dtype !== "uint8" || shape.length < 3 || shape.length > 4) return undefined;
  const images = data as Uint8Array;
  const [, a, b, c] = shape as [number, number, number, number?];
  if (c === undefined) return { images, shape: [1, a, b] };
  if (a <= mostChannels) return { images, shape: [a, b, c] };
  if (c > mostChannels) return undefined;
  const planes: ImageShape = [c, a, b];
  return { images: toPlanes(images, planes), shape: planes };
}

function prepare(
  name: string,
  inputs: Readonly<Record<string, Tensor>>,
  form: PixelForm,
): Readonly<Record<string, Tensor>> {
  const { layout, channels, scale, mean, std } = form;
  const bytes = Object.values(inputs).some(({ dtype }) => dtype === "uint8");
  if (layout !== undefined || channels !== undefined)
    fail("bad-option", `${name}: layout and channels are for images, a single array of uint8 [N, H, W, C] or the like`);
  if (!bytes && (scale !== undefined || mean || std))
    fail(
      "bad-option",
      `${name}: scale, mean and std are for pixels, arrays of uint8; the arrays are given as they are`,
    );
  return Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, asInput(value, form)]));
}

function asInput({ dtype, shape, data }: Tensor, normalise: Normalise): Tensor {
  if (dtype === "float64") return { dtype: "float32", shape, data: Float32Array.from(data as Float64Array) };
  if (dtype === "float16") return { dtype: "float32", shape, data: Float32Array.from(data as Uint16Array, fromHalf) };
  if (dtype !== "uint8") return { dtype, shape, data };
  const table = normalisationTable(1, normalise);
  return { dtype: "float32", shape, data: Float32Array.from(data as Uint8Array, (byte) => table[byte]!) };
}
