/** Options that say how a model is looked at, and how it is written. */

import type { Command } from "commander";
import type { Shape } from "../../graph/tensor.ts";
import { opset, shapes } from "../../options/model.ts";
import type { NormaliseOptions } from "../../passes/normalise.ts";
import { note } from "../output.ts";
import { flag, withGroup } from "./flag.ts";
import { shapeOf } from "./values.ts";

export interface ShapeFlags {
  readonly shape?: Readonly<Record<string, Shape>>;
}

export const withShape = (command: Command): Command =>
  withGroup(command, "Data", [], [flag("--shape <name=sizes>", shapes, shapeOf)]);

/** Said once in a run, however often a command looks at the model. */
const told = new Set<string>();
export const forgetNotes = (): void => told.clear();
export const noteOnce = (text: string): void => {
  if (!told.has(text)) note(text);
  told.add(text);
};

export const shapesOf = ({ shape }: ShapeFlags): NormaliseOptions => ({
  ...(shape && { shapes: shape }),
  onNote: noteOnce,
});

export interface OpsetFlags {
  readonly opset?: number;
}

export const withOpset = (command: Command): Command => withGroup(command, "Output", [], [flag("--opset <n>", opset)]);
