/** What a loss is: an object that says how it is computed, what it is compared with, and what is known of it. */

import type { LossName, SettingsOf } from "../../options/loss.ts";
import type { Shape, Tensor } from "../../graph/tensor.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";

/** What a target must be. */
export interface TargetForm {
  readonly dtype: "int64" | "float32";
  readonly shape: Shape;
  /** The number of classes that it may name; 0 where it names none. */
  readonly classes: number;
  /** A class id that stands for nothing. */
  readonly ignore?: number | undefined;
}

/** What a loss is computed from. */
export interface LossInputs<S> {
  /** What the model gives, [N, ...], before a Softmax or Sigmoid that the loss has inside. */
  readonly output: Value;
  /** Of the form that {@link LossDefinition.target} says; absent where the loss takes none. */
  readonly target: Value | undefined;
  readonly settings: S;
  /** The share of a label that is spread over all classes; for losses of classes. */
  readonly labelSmoothing: number;
  /** Mixes values [N, ...] as the samples were mixed; gives them back where they were not. */
  mix(value: Value): Value;
  /** Another output of the model, or one of its inputs, by name. */
  other(name: string): Value;
}

/** The distribution that a model's output stands for. */
export type Distribution = "categorical" | "bernoulli" | "gaussian";

export interface LossDefinition<S = unknown> {
  readonly name: LossName;
  /** For help and documentation: one line. */
  readonly summary: string;
  /** As text: E_n = ... */
  readonly equation: string;
  /** Where it is from. */
  readonly source: string;
  /** What of the model's end it has inside, and takes off there. */
  readonly activation?: "softmax" | "sigmoid";
  /** What the output stands for: targets are drawn from it, and a teacher's output is compared by it. */
  readonly distribution: Distribution;
  /** The axis of the classes where that is not 1. */
  axis?(settings: S, rank: number): number;
  /** @throws SecateurError `unsupported` for an output that it cannot be put on */
  target(output: Pick<Value, "name" | "shape">, settings: S): TargetForm | undefined;
  /** E_n, [N]. */
  perSample(g: Emit, inputs: LossInputs<S>): Value;
  /** The mean loss of the best answer that is the same for all samples; absent where that is not known. */
  chance?(target: Tensor, form: TargetForm, settings: S): number;
}

/** The object as it is written, with the settings that go with its name. */
export const defineLoss = <N extends LossName>(
  definition: LossDefinition<SettingsOf<N>> & { readonly name: N },
): LossDefinition => definition as LossDefinition;

/** The axes of a value but that of the samples. */
export const sampleAxes = ({ shape }: Pick<Value, "shape">): number[] => shape.map((_, i) => i).slice(1);

/** The mean over all elements of each sample, [N]. */
export function meanOfSample(g: Emit, value: Value): Value {
  const axes = sampleAxes(value);
  return axes.length === 0 ? value : g.ReduceMean(value, g.ints(axes), { keepdims: 0 });
}

/** Logits [N, C, d...], from an output that has its classes along some axis; [N, C, 1, 1] becomes [N, C]. */
export function classesFirst(g: Emit, value: Value, axis: number): Value {
  const { length } = value.shape;
  const order = [0, axis, ...Array.from({ length }, (_, i) => i).filter((i) => i !== 0 && i !== axis)];
  const moved = g.transposed(value, order);
  return g.reshaped(moved, shapeOfClasses(value.shape, axis));
}

/** The shape of {@link classesFirst}. */
export function shapeOfClasses(shape: Shape, axis: number): Shape {
  const rest = shape.filter((_, i) => i !== 0 && i !== axis);
  return [shape[0]!, shape[axis]!, ...(rest.every((dim) => dim === 1) ? [] : rest)];
}

/** An axis of classes as a setting has it, from 0 on. */
export const axisFrom = (axis: number | undefined, rank: number, usual = 1): number =>
  axis === undefined ? usual : axis < 0 ? axis + rank : axis;
