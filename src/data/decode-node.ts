/**
 * Encoded images to bytes of one size, by sharp: resized and cut out of the middle as torchvision
 * does, with another kernel's rounding.
 */

import type { Sharp } from "sharp";
import { fail } from "../graph/error.ts";
import type { Channels, ImageForm, ImageSize } from "./form.ts";
import { toChannels, toPlanes, type Planes } from "./pixels.ts";

export function checkForm({ size, resize }: ImageForm): void {
  const whole = (value: number): boolean => Number.isSafeInteger(value) && value > 0;
  if (size && !(size.length === 2 && size.every(whole)))
    fail("bad-option", `size is ${size.join(" x ")}; give height and width in pixels`);
  if (resize === undefined) return;
  if (!size) fail("bad-option", `resize is ${resize}, but there is no size to cut out afterwards; give size as well`);
  if (!whole(resize) || resize < Math.max(...size))
    fail(
      "bad-option",
      `resize is ${resize}; the shorter side cannot be less than the size cut out, ${size.join(" x ")}`,
    );
}

/** The size of an encoded image, from its header. Rejects where it is none that sharp reads. */
export async function sizeOfImage(bytes: Uint8Array): Promise<ImageSize> {
  const { height, width } = await (await open(bytes)).metadata();
  return [height, width];
}

/**
 * The first frame of an encoded image, 8 bits a channel, without alpha. Colour profiles and the orientation in EXIF are
 * ignored, as by PIL. Rejects where the image is broken.
 */
export async function decodeImage(bytes: Uint8Array, form: ImageForm): Promise<Planes> {
  const image = await open(bytes);
  const { height, width } = await image.metadata();
  const sized = form.size ? resizeTo(image, [height, width], form.size, form.resize) : image;
  const { data, info } = await sized.toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const shape = [info.channels, info.height, info.width] as const;
  const channels: Channels = form.channels ?? "rgb";
  return toChannels({ images: toPlanes(data, shape), shape }, channels, "encoded image");
}

/** Started when the first image is wanted: loading it takes longer than many a command. */
async function open(bytes: Uint8Array): Promise<Sharp> {
  const { default: sharp } = await import("sharp");
  return sharp(bytes, { ignoreIcc: true });
}

function resizeTo(image: Sharp, from: ImageSize, size: ImageSize, shorter: number | undefined): Sharp {
  const { height, width, left, top } = placeOf(from, size, shorter);
  return image
    .resize(width, height, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false })
    .extract({ left, top, width: size[1], height: size[0] });
}

/** What an image is resized to, and where in it the part begins that is cut out. */
export function placeOf(from: ImageSize, size: ImageSize, shorter: number | undefined) {
  // Of the two sides the one that says how much the image is resized, and what it becomes.
  const taller = size[0] * from[1] > size[1] * from[0];
  const [side, wanted] =
    shorter !== undefined ? [Math.min(...from), shorter] : taller ? [from[0], size[0]] : [from[1], size[1]];
  const [height, width] = from.map((length) => Math.floor((length * wanted) / side)) as [number, number];
  return { height, width, left: half(width - size[1]), top: half(height - size[0]) };
}

/** Half of a number of pixels; between two whole numbers the even one, as Python rounds. */
function half(pixels: number): number {
  const below = Math.floor(pixels / 2);
  return below + (pixels % 2) * (below % 2);
}
