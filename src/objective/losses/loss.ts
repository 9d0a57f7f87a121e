/** What a loss is: an object that says how it is computed, what it is compared with, and what is known of it. */

import type { LossName, SettingsOf } from "../../options/loss.ts";
import { fail } from "../../graph/error.ts";
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
  /** A class id that stands for something else, and is none of a target's. */
  readonly never?: number | undefined;
  /** Whether its numbers lie from 0 to 1. */
  readonly isShare?: true | undefined;
  /** What fills up rows of the last axis that are shorter; absent where all have its length. */
  readonly padding?: number | undefined;
  /** The name of the target in the data, where the loss is told it. */
  readonly name?: string | undefined;
}

/** The other outputs of a model, and its inputs. */
export interface Others {
  has(name: string): boolean;
  /** @throws SecateurError `bad-option` for a name that is none of them */
  other(name: string): Value;
}

/** An output that a loss is put on. */
export type Place = Pick<Value, "name" | "shape"> & Pick<Others, "has">;

/** What a loss is computed from. */
export interface LossInputs<S> extends Others {
  /** What the model gives, [N, ...], before a Softmax or Sigmoid that the loss has inside. */
  readonly output: Value;
  /** Of the form that {@link LossDefinition.target} says; absent where the loss takes none. */
  readonly target: Value | undefined;
  readonly settings: S;
  /** The share of a label that is spread over all classes; for losses of classes. */
  readonly labelSmoothing: number;
  /** Mixes values [N, ...] as the samples were mixed; gives them back where they were not. */
  mix(value: Value): Value;
}

/** What {@link LossDefinition.chance} is computed from. */
export interface Known<S> {
  /** [N, ...], as {@link LossInputs.output} is. */
  readonly output: Shape;
  /** What the loss is compared with, in a minibatch; absent where it takes no target. */
  readonly target: Tensor | undefined;
  readonly form: TargetForm | undefined;
  readonly settings: S;
}

/** The distribution that a model's output stands for. */
export type Distribution = "categorical" | "bernoulli" | "gaussian";

/** What targets are drawn around. */
export interface Around {
  readonly value: Value;
  /** How many times the mean of the squares of the value's errors the loss is, where they are small. */
  readonly times: number;
}

export interface LossDefinition<S = unknown> {
  readonly name: LossName;
  /** For help and documentation: one line. */
  readonly summary: string;
  /** As text: E_n = ... */
  readonly equation: string;
  /** What stands for what in it, and what else is to be known. */
  readonly details?: string;
  /** The output and the target that it takes, in words. */
  readonly takes: string;
  /** Where it is from. */
  readonly source: string;
  /** What of the model's end it has inside, and takes off there. */
  readonly activation?: "softmax" | "sigmoid";
  /** What the output stands for: targets are drawn from it, and a teacher's output is compared by it. */
  readonly distribution: Distribution;
  /** Whether samples are compared with one another, so that a sample alone has no loss. */
  readonly comparesSamples?: true;
  /** Whether there is no target between two targets, which Mixup would need. */
  readonly mixes?: false;
  /** The loss with these settings, where they make another one of it. */
  variant?(settings: S): LossDefinition<S>;
  /** The axis of the classes where that is not 1. */
  axis?(settings: S, rank: number): number;
  /** The axes of the output in the order that has the samples first, where the model has them elsewhere. */
  order?(settings: S, rank: number): readonly number[] | undefined;
  /** @throws SecateurError `unsupported` for an output that it cannot be put on */
  target(output: Place, settings: S): TargetForm | undefined;
  /** E_n, [N]. */
  perSample(g: Emit, inputs: LossInputs<S>): Value;
  /** Places that count whatever the target is, as 0 and 1 [N, d...]; absent where all do. */
  counts?(g: Emit, inputs: Pick<LossInputs<S>, "output" | "settings" | "has" | "other">): Value | undefined;
  /** What targets are drawn around, of a Gaussian; default the output, and once the mean of the squares. */
  around?(g: Emit, output: Value, settings: S): Around;
  /** How far an output is from another model's, [N], of a Gaussian; default the loss, with that for its target. */
  distance?(g: Emit, ours: Value, theirs: Value): Value;
  /**
   * The mean loss of the best answer that is the same for all samples and places; of several classes that
   * of the answer that gives all the same share, and of texts that of the shares that labels and blanks
   * have. Absent where that is not known.
   */
  chance?(known: Known<S>): number;
}

/** The object as it is written, with the settings that go with its name. */
export const defineLoss = <N extends LossName>(
  definition: LossDefinition<SettingsOf<N>> & { readonly name: N },
): LossDefinition => definition as LossDefinition;

/** The form of a target with a number for each of the output. */
export function likeOutput(name: string, output: Place): TargetForm {
  const { shape } = output;
  if (shape.length < 1) fail("unsupported", `${name} needs an output with a batch axis; "${output.name}" is a scalar`);
  return { dtype: "float32", shape, classes: 0 };
}

/** The form of a target with a share, as of yes, for each number of the output. */
export const sharesOf = (name: string, output: Place): TargetForm => ({ ...likeOutput(name, output), isShare: true });

/** The form of a target with a class id for each place of an output that has its classes along some axis. */
export function classesForm(name: string, { name: output, shape }: Place, axis: number | undefined): TargetForm {
  const at = axisFrom(axis, shape.length);
  if (shape.length < 2 || at < 1 || at >= shape.length)
    fail(
      "unsupported",
      `${name} needs an output of [N, classes]; "${output}" is [${shape.join(", ")}]. Use mse instead`,
    );
  const [n, classes, ...more] = shapeOfClasses(shape, at);
  return { dtype: "int64", shape: [n!, ...more], classes: classes! };
}

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
function shapeOfClasses(shape: Shape, axis: number): Shape {
  const rest = shape.filter((_, i) => i !== 0 && i !== axis);
  return [shape[0]!, shape[axis]!, ...(rest.every((dim) => dim === 1) ? [] : rest)];
}

/** An axis of classes as a setting has it, from 0 on. */
export const axisFrom = (axis: number | undefined, rank: number, usual = 1): number =>
  axis === undefined ? usual : axis < 0 ? axis + rank : axis;
