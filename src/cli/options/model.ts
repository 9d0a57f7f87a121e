/** Options that say how a model is looked at, and how it is written. */

import { type Command, InvalidArgumentError } from "commander";
import type { Shape } from "../../graph/tensor.ts";
import { newestOpset, oldestOpset } from "../../onnx/opsets.ts";
import type { NormaliseOptions } from "../../passes/normalise.ts";
import { note } from "../output.ts";
import { numberIn, sizesOf } from "./values.ts";

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
