/** Masks as PNG files: a class id for each pixel, in gray or as the place in a palette. */

import { inflateSync } from "node:zlib";
import { fail } from "../graph/error.ts";
import { placeOf } from "./decode-node.ts";
import type { ImageForm, ImageSize } from "./form.ts";

export interface Mask {
  /** Class ids [H, W]. */
  readonly ids: Uint8Array;
  readonly size: ImageSize;
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const [gray, palette] = [0, 3];

/**
 * The numbers that a PNG file holds, neither scaled nor looked up in its palette, as sharp would.
 *
 * @see https://www.w3.org/TR/png-3/
 * @throws SecateurError `bad-data` for a file that holds colours, 16 bits, or is interlaced
 */
export function decodeMask(file: Uint8Array, what: string): Mask {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const refuse = (why: string): never =>
    fail("bad-data", `${what} ${why}; a mask is a PNG file of 8 bits or fewer, gray or with a palette, of class ids`);
  if (!bytes.subarray(0, 8).equals(signature)) refuse("is no PNG file");
  const parts: Buffer[] = [];
  let header: Buffer | undefined;
  for (let at = 8; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === "IHDR" && data.length === 13) header = data;
    if (type === "IDAT") parts.push(data);
    at += length + 12;
  }
  if (!header) return refuse("has no header");
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const [depth, colour, interlaced] = [header[8]!, header[9]!, header[12]!];
  if (colour !== gray && colour !== palette) refuse("holds colours");
  if (depth > 8) refuse(`has ${depth} bits`);
  if (interlaced !== 0) refuse("is interlaced");
  const row = Math.ceil((width * depth) / 8);
  const whole = height * (row + 1);
  let packed: Buffer;
  try {
    packed = inflateSync(Buffer.concat(parts), { maxOutputLength: Math.max(1, whole) });
  } catch (error) {
    return refuse(`cannot be unpacked (${(error as Error).message})`);
  }
  if (packed.length !== whole) refuse(`holds ${packed.length} bytes of pixels instead of ${whole}`);
  return { ids: unpacked(unfiltered(packed, row, height), [height, width], depth, row), size: [height, width] };
}

/** The rows of a file without the filters of each; a pixel takes a byte or less, so the one before it is one byte. */
function unfiltered(packed: Buffer, row: number, height: number): Uint8Array {
  const out = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) {
    const filter = packed[y * (row + 1)]!;
    for (let x = 0; x < row; x++) {
      const to = y * row + x;
      const left = x > 0 ? out[to - 1]! : 0;
      const up = y > 0 ? out[to - row]! : 0;
      const corner = x > 0 && y > 0 ? out[to - row - 1]! : 0;
      out[to] = packed[y * (row + 1) + 1 + x]! + predicted(filter, left, up, corner);
    }
  }
  return out;
}

/** What a filter of the format expects of a byte: nothing, its left, what is above, their mean, or Paeth's choice. */
function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter === 4) {
    const [a, b, c] = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs) as [number, number, number];
    return a <= b && a <= c ? left : b <= c ? up : corner;
  }
  return [0, left, up, (left + up) >> 1][filter] ?? 0;
}

/** One byte for each pixel. */
function unpacked(rows: Uint8Array, [height, width]: ImageSize, depth: number, row: number): Uint8Array {
  if (depth === 8) return rows;
  const ids = new Uint8Array(height * width);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      ids[y * width + x] = (rows[y * row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
  return ids;
}

/** A mask as its picture becomes an input: resized and cut out alike, each pixel the nearest there was. */
export function fittedMask({ ids, size: from }: Mask, { size, resize }: ImageForm): Uint8Array {
  if (!size) return ids;
  const { height, width, top, left } = placeOf(from, size, resize);
  const rows = nearest(from[0], height);
  const columns = nearest(from[1], width).slice(left, left + size[1]);
  const out = new Uint8Array(size[0] * size[1]);
  for (let y = 0; y < size[0]; y++) {
    const start = rows[y + top]! * from[1];
    for (let x = 0; x < size[1]; x++) out[y * size[1] + x] = ids[start + columns[x]!]!;
  }
  return out;
}

/**
 * The pixel that each one is, of a side that gets another length. Steps are added up, as in PIL: their rounding decides
 * where a pixel lies just between two.
 */
function nearest(length: number, wanted: number): number[] {
  const step = length / wanted;
  let at = step / 2;
  return Array.from({ length: wanted }, () => {
    const pixel = Math.min(length - 1, Math.floor(at));
    at += step;
    return pixel;
  });
}
