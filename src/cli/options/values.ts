/** Values that are written in a way of the command line: sizes of memory, of tensors and of images. */

import { InvalidArgumentError } from "commander";
import type { ImageSize } from "../../data/form.ts";
import type { Shape } from "../../graph/tensor.ts";
import type { Shard } from "../../options/distribute.ts";
import { withForm } from "../forms.ts";

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

/** 3x32x32 */
export function sizesOf(text: string): Shape {
  if (!/^\d+(x\d+)*$/.test(text)) throw new InvalidArgumentError("It must look like 3x32x32.");
  return text.split("x").map(Number);
}

/** NAME=1x3x224x224 */
export function shapeOf(text: string, known: Record<string, Shape> = {}): Record<string, Shape> {
  const [, name, sizes] = /^(.+)=(\d+(?:x\d+)*)$/.exec(text) ?? [];
  if (name === undefined || sizes === undefined) throw new InvalidArgumentError("It must look like NAME=1x3x224x224.");
  return { ...known, [name]: sizesOf(sizes) };
}

/** 224, or height and width as 224x160. */
export function imageSizeOf(text: string): ImageSize {
  const [, height, width = height] = /^([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?$/.exec(text) ?? [];
  if (height === undefined) throw new InvalidArgumentError("It must look like 224 or 224x160, height before width.");
  return [Number(height), Number(width)];
}

/** 3/16: the third of sixteen parts. */
export const shardOf = withForm(
  (text: string): Shard => {
    const [, index, of] = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/.exec(text) ?? [];
    if (index === undefined || Number(index) > Number(of))
      throw new InvalidArgumentError("It must look like 3/16, from 1/16 to 16/16.");
    return { index: Number(index), of: Number(of) };
  },
  { type: "string", pattern: "^[1-9][0-9]*/[1-9][0-9]*$" },
);
