/** What the rules of an operator read and say. */

import type { DType, Shape, Tensor } from "../../graph/tensor.ts";
import type { NoiseRule } from "./random-inputs.ts";

/** A value whose type is fixed; `constant` holds its elements where they are known. */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly constant?: Tensor;
}

export type Bare<S extends string> = S extends `${infer N}?` ? N : S extends `${infer N}...` ? N : S;
/** Inputs by name: `"B?"` may be left out, `"inputs..."` is a list. */
export type Inputs<I extends readonly string[]> = {
  readonly [S in I[number] as Bare<S>]: S extends `${string}?`
    ? Value | undefined
    : S extends `${string}...`
      ? readonly Value[]
      : Value;
};

/** What a gradient rule may ask of the engine besides its inputs. */
export interface Pullback {
  /** The node's outputs; one that the model does not use is there after {@link output}. */
  readonly outputs: readonly (Value | undefined)[];
  /** The gradient of each output, `undefined` where none flows. */
  readonly dys: readonly (Value | undefined)[];
  /** An output of the node by index, added to the node where it is not computed yet. */
  output(index: number): Value;
  /**
   * Whether a value's own gradient is wanted: who asks for it mostly goes on to read the value beside it,
   * so that it is kept in memory anyway.
   */
  asked(value: Value): boolean;
}

/** One thunk for each input that a gradient flows to; a list for a list of inputs. Left out = none flows. */
export type Gradients<I extends readonly string[]> = {
  readonly [S in I[number] as Bare<S>]?: S extends `${string}...`
    ? readonly (() => Value)[]
    : (() => Value) | undefined;
};

/**
 * When an output is zero along a unit. `any`: where the inputs that carry the unit are zero along it, whatever the
 * others are, as of a product, a rearrangement, an activation through the origin. `all`: only where every input carries
 * it and is zero, as of a sum. Absent = never.
 */
export type Zero = "any" | "all";

/** How a node is made to learn. */
export interface Training {
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Inputs by index that get a constant. */
  readonly inputs?: Readonly<Record<number, Tensor>>;
  /** Outputs by index that hold the next value of the input at that index: statistics that are kept, not learned. */
  readonly states?: Readonly<Record<number, number>>;
  /** The attributes under which the next statistics are those of the batch alone. */
  readonly batchStatisticsOnly?: Readonly<Record<string, unknown>>;
  /** The inputs by index that hold the scale and the shift of what is normalised. */
  readonly affine?: { readonly scale: number; readonly shift: number };
  /** What replaces a node that draws at random: its draws come from outside, and a run can be repeated. */
  readonly noise?: NoiseRule;
}

/** What is left of every axis after a cut. */
export interface Remaining {
  /** Indices that stay along an axis of a value, ascending; all of them where nothing is removed. */
  axis(value: Value, axis: number): readonly number[];
  /** Whether an axis is as long at all sizes of the open axes. */
  settled(value: Value, axis: number): boolean;
}

/** What must change in a node besides its tensors: attributes, and constant inputs by name. */
export interface Resized {
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly inputs?: Readonly<Record<string, Tensor>>;
}

/** One case for the laws: shapes of the inputs (a tensor where the values matter) and attributes. */
export interface Sample {
  readonly inputs: readonly (Shape | Tensor | null)[];
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Values of float inputs are drawn from this range; default [-1, 1], kept off multiples of 0.25. */
  readonly range?: readonly [number, number];
  /** What the operator reads where that is not floats: with `bool` whether the values drawn are positive. */
  readonly of?: "bool";
  /** How many outputs the node has; default 1. */
  readonly outputs?: number;
}
