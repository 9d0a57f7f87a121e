/** From the bytes of one image to normalised floats: channels, layout, and the random view of an augmented image. */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { fail } from "../graph/error.ts";
import type { Augment } from "./batches.ts";
import type { Channels, Layout } from "./form.ts";

/** [C, H, W] */
export type ImageShape = readonly [number, number, number];

/** Images as bytes [N, C, H, W]. */
export interface Planes {
  readonly images: Uint8Array;
  readonly shape: ImageShape;
}

/**
 * Images of one channel (gray) or three (red, green, blue) in the channels that are wanted. Gray is ITU-R 601 luma,
 * rounded as PIL does. Fails with `bad-option` on another number of channels.
 */
export function toChannels({ images, shape }: Planes, channels: Channels | undefined, name: string): Planes {
  const [given, height, width] = shape;
  if (channels === undefined || (given === 1 && channels === "gray") || (given === 3 && channels === "rgb"))
    return { images, shape };
  if (given !== 1 && given !== 3)
    fail("bad-option", `data set ${name}: images of ${given} channels cannot be given as ${channels}`);
  const wanted = channels === "gray" ? 1 : 3;
  const plane = height * width;
  const count = images.length / (given * plane);
  const result = new Uint8Array(count * wanted * plane);
  for (let n = 0; n < count; n++) {
    const channel = (c: number): Uint8Array => images.subarray((n * given + c) * plane, (n * given + c + 1) * plane);
    const out = result.subarray(n * wanted * plane, (n + 1) * wanted * plane);
    if (channels === "gray") luma(channel(0), channel(1), channel(2), out);
    else for (let c = 0; c < 3; c++) out.set(channel(given === 1 ? 0 : 2 - c), c * plane);
  }
  return { images: result, shape: [wanted, height, width] };
}

/** 0.299 R + 0.587 G + 0.114 B in units of 2^-16; they sum to 1, so that gray stays as it is. */
function luma(red: Uint8Array, green: Uint8Array, blue: Uint8Array, out: Uint8Array): void {
  for (let i = 0; i < out.length; i++) out[i] = (red[i]! * 19595 + green[i]! * 38470 + blue[i]! * 7471 + 0x8000) >> 16;
}

/** Images [N, H, W, C] as [N, C, H, W]. */
export function toPlanes(images: Uint8Array, [channels, height, width]: ImageShape): Uint8Array {
  if (channels === 1) return images;
  const plane = height * width;
  const result = new Uint8Array(images.length);
  for (let start = 0; start < images.length; start += channels * plane)
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < plane; i++) result[start + c * plane + i] = images[start + i * channels + c]!;
  return result;
}

/** Pixel (x, y) of the result is pixel (x + dx, y + dy) of the image, mirrored afterwards. */
export interface View {
  readonly dx: number;
  readonly dy: number;
  readonly mirrored: boolean;
}

export const plainView: View = { dx: 0, dy: 0, mirrored: false };

export function drawView(stream: RandomGenerator, { crop = 0, flip = false }: Augment = {}): View {
  if (crop === 0 && !flip) return plainView;
  const dy = crop > 0 ? uniformInt(stream, -crop, crop) : 0;
  const dx = crop > 0 ? uniformInt(stream, -crop, crop) : 0;
  return { dx, dy, mirrored: flip && uniformInt(stream, 0, 1) === 1 };
}

/** Writes the view of an image [C, H, W] in the layout, each byte by its channel's part of the table. */
export function writeView(
  image: Uint8Array,
  out: Float32Array,
  shape: ImageShape,
  table: Float32Array,
  chosen: View,
  layout: Layout,
): void {
  if (layout === "nchw" && !chosen.mirrored && chosen.dx === 0 && chosen.dy === 0)
    copyPlain(image, out, shape[0], table);
  else copyMoved(image, out, shape, table, chosen, layout);
}

function copyPlain(image: Uint8Array, out: Float32Array, channels: number, table: Float32Array): void {
  const plane = image.length / channels;
  for (let c = 0; c < channels; c++) {
    const base = c * 256;
    const end = (c + 1) * plane;
    for (let i = c * plane; i < end; i++) out[i] = table[base + image[i]!]!;
  }
}

function copyMoved(
  image: Uint8Array,
  out: Float32Array,
  [channels, height, width]: ImageShape,
  table: Float32Array,
  { dx, dy, mirrored }: View,
  layout: Layout,
): void {
  const plane = height * width;
  // Between two channels of a pixel, and between two pixels of a channel.
  const [apart, stride] = layout === "nchw" ? [plane, 1] : [1, channels];
  const firstX = Math.max(0, -dx);
  const endX = Math.min(width, width - dx);
  const step = mirrored ? -stride : stride;
  for (let c = 0; c < channels; c++) {
    const base = c * 256;
    const first = c * apart;
    // Many times faster than a loop, where it will do.
    if (stride === 1) out.fill(table[base]!, first, first + plane);
    else for (let i = 0; i < plane; i++) out[first + i * stride] = table[base]!;
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
      let to = first + (y * width + (mirrored ? width - 1 - firstX : firstX)) * stride;
      let from = (c * height + y + dy) * width + firstX + dx;
      for (let x = firstX; x < endX; x++) {
        out[to] = table[base + image[from++]!]!;
        to += step;
      }
    }
  }
}

/** Writes the view of a mask [H, W]; what lies outside it gets the id `outside`. */
export function writeMask(
  mask: BigInt64Array,
  out: BigInt64Array,
  [height, width]: readonly [number, number],
  { dx, dy, mirrored }: View,
  outside: bigint,
): void {
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = [x + dx, y + dy];
      const isInside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
      out[y * width + (mirrored ? width - 1 - x : x)] = isInside ? mask[fromY * width + fromX]! : outside;
    }
}
