/** Options that say how a model is looked at, and how it is written. */

import type { Command } from "commander";
import type { Shape } from "../../graph/tensor.ts";
import { opset, shapes } from "../../options/model.ts";
import type { NormaliseOptions } from "../../passes/normalise.ts";
import type { Context } from "../context.ts";
import { flag, withGroup } from "./flag.ts";
import { shapeOf } from "./values.ts";

export interface ShapeFlags {
  readonly shape?: Readonly<Record<string, Shape>>;
}

export const withShape = (command: Command): Command =>
  withGroup(command, "Data", [], [flag("--shape <name=sizes>", shapes, shapeOf)]);

export const shapesOf = ({ shape }: ShapeFlags, { noteOnce }: Context): NormaliseOptions => ({
  ...(shape && { shapes: shape }),
  onNote: noteOnce,
});

export interface OpsetFlags {
  readonly opset?: number;
}

export const withOpset = (command: Command): Command => withGroup(command, "Output", [], [flag("--opset <n>", opset)]);
