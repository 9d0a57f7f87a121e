/**
 * What is minimised, as a graph: from the model's outputs and targets to one number for each sample, and their mean.
 */

import type { LearningOptions, Targets } from "../options/learning.ts";
import type { Loss, LossName } from "../options/loss.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Positions } from "../graph/graph.ts";
import { fail, option } from "../graph/error.ts";
import type { Shape } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { alias, createEmitter, sameShape, valueIn } from "../ops/emitter.ts";
import { distance } from "./distance.ts";
import { arranged, drawings } from "./draws.ts";
import { appendFeatures, type Feature } from "./features.ts";
import { fileTermsOf, joinFile, type AppendedFile, type FileTerm } from "./loss-file.ts";
import type { Others, TargetForm } from "./losses/loss.ts";
import { mixed, type Mixture } from "./mixup.ts";
import type { NoiseKind } from "./random-inputs.ts";
import { inputNameOf, termsOf, type Term } from "./terms.ts";

/** Learning from another model's outputs besides the targets (Hinton et al. 2015). */
export interface Distillation {
  /** The share of the teacher in the loss, 0 to 1. */
  readonly weight: number;
  /** What logits are divided by before they become probabilities. */
  readonly temperature: number;
  /** Values inside that are compared besides; default none. */
  readonly features?: readonly Feature[] | undefined;
}

export interface ObjectiveOptions extends Pick<LearningOptions, "labelSmoothing"> {
  readonly loss: Loss;
  readonly distillation?: Distillation | undefined;
  readonly targets?: Targets | undefined;
  /** How the batch was mixed, where it was: targets are mixed alike. */
  readonly mixture?: Mixture | undefined;
  /** What is left of values that are compared with the teacher's. */
  readonly positions?: Positions | undefined;
}

/** An input of the graph that takes a target of the data. */
export interface TargetInput extends Pick<TargetForm, "classes" | "ignore" | "never" | "isShare" | "padding"> {
  readonly input: string;
  /** The least class id; default 0. */
  readonly least?: number | undefined;
  /** The name of the target in the data; "" for the only one there is, or that of the output's name. */
  readonly name: string;
  /** The output that it is compared with, and by what, where that is known. */
  readonly output?: string;
  readonly loss?: LossName;
}

/** An input of the graph that takes what another model gives. */
export interface TeacherInput {
  readonly input: string;
  /** The value of the model that it is compared with. */
  readonly value: string;
}

/** An input of the graph that takes random numbers. */
export interface NoiseInput {
  readonly input: string;
  readonly noise: NoiseKind;
}

/** A term as it stands in a graph: its inputs by name, where it has them. */
export interface AppendedTerm extends Pick<Term, "loss" | "settings" | "weight"> {
  /** Of what the loss looks at, [N, ...]. */
  readonly shape: Shape;
  readonly form?: TargetForm | undefined;
  readonly target?: string | undefined;
  readonly teacher?: string | undefined;
}

/** What the graph of an objective takes besides the inputs of the model. */
export interface ObjectiveInputs {
  readonly terms: readonly AppendedTerm[];
  readonly targets: readonly TargetInput[];
  readonly teachers: readonly TeacherInput[];
  readonly noises: readonly NoiseInput[];
  /** What weights of features add up to, as far as they are there still. */
  readonly features: number;
  /** The losses of files, of which nothing else is known. */
  readonly files: readonly string[];
}

/** The number of classes that the data may have; 0 where its targets are no classes. */
export const classesIn = ({ targets }: ObjectiveInputs): number =>
  targets.find(({ classes }) => classes > 0)?.classes ?? 0;

export interface Objective extends ObjectiveInputs {
  /** What is minimised: values and the gradients that enter at each. */
  readonly ys: readonly { readonly value: Value; readonly seed: Value }[];
  /** [N]; absent where a loss gives one number for the batch. */
  readonly perSample?: Value | undefined;
  /** The mean over the batch, a scalar named `loss`. */
  readonly mean: Value;
}

/**
 * Appends an objective, and inputs for what it is compared with: `target`, or `target/NAME` where there are several
 * terms. With a teacher its outputs are inputs `teacher/OUTPUT`; if all comes from the teacher there are no targets.
 * What it has of features are inputs `feature/VALUE`.
 * With sampled targets there are inputs `noise/OUTPUT` instead.
 *
 * @throws SecateurError `bad-option` for options that do not go together
 */
export function appendObjective(
  builder: GraphBuilder,
  outputs: readonly string[],
  options: ObjectiveOptions,
): Objective {
  const { loss, ...rest } = options;
  const terms = termsOf(builder.finish(outputs), loss);
  const known = new Set([...outputs, ...builder.inputs.map(({ name }) => name)]);
  const has = (name: string): boolean => known.has(name);
  return appendTerms(
    builder,
    terms,
    { ...rest, files: fileTermsOf(loss) },
    { has, other: (name) => (has(name) ? valueIn(builder, name) : failOther(name)) },
  );
}

/** Fails where a loss names a value that it cannot have. */
export const failOther = (name: string): never =>
  fail("bad-option", `a loss looks at "${name}", which is neither an output nor an input of the model`);

type AppendOptions = Omit<ObjectiveOptions, "loss"> & {
  /** Losses of files. */
  readonly files?: readonly FileTerm[];
};

/**
 * Appends the terms of an objective, whose values the builder has.
 *
 * @param others the outputs and inputs of the model
 */
export function appendTerms(
  builder: GraphBuilder,
  terms: readonly Term[],
  options: AppendOptions,
  others: Others,
): Objective {
  const { targets = "labels", distillation, files = [] } = options;
  const smoothing = options.labelSmoothing ?? 0;
  const g = createEmitter(builder);
  checkSmoothing(
    terms.map(({ loss }) => loss.name),
    smoothing,
  );
  const context: Context = { builder, g, options, isOnly: terms.length === 1, smoothing, others };
  const found = terms.map((term) =>
    targets === "sampled"
      ? drawnTerm(context, term)
      : distillation
        ? taughtTerm(context, term, distillation)
        : targetTerm(context, term),
  );
  const joined = files.map((file) => joinFile({ builder, g, other: others.other }, file, options, terms.length === 0));
  const taught = targets === "sampled" ? undefined : distillation;
  const features = appendFeatures(builder, g, taught?.features ?? [], taught?.weight ?? 0, options.positions);
  const rows = [...found, ...joined, ...features].flatMap((one) => one.perSample ?? []);
  const single = joined.flatMap((one) => one.mean ?? []);
  if (rows.length + single.length === 0) fail("bad-option", "there is no loss");
  const perSample = rows.length > 0 ? sum(g, rows) : undefined;
  const mean = sum(g, [...(perSample ? [g.ReduceMean(perSample, g.ints([0]), { keepdims: 0 })] : []), ...single]);
  alias(builder, mean.name, builder.claim("loss"));
  const seeded = perSample ? [{ value: perSample, seed: g.filled(1 / perSample.shape[0]!, perSample.shape) }] : [];
  return {
    perSample: single.length === 0 ? perSample : undefined,
    mean: valueIn(builder, "loss"),
    ys: [...seeded, ...single.map((value) => ({ value, seed: g.scalar(1) }))],
    terms: terms.map(({ loss, settings, weight }, i) => {
      const { shape, form, target, teacher } = found[i]!;
      return { loss, settings, weight, shape, form, target: target?.input, teacher: teacher?.input };
    }),
    targets: targetsOf(found, joined),
    teachers: teachersOf([...found, ...features]),
    noises: found.flatMap((one) => one.noise ?? []),
    features: features.reduce((sum, { counts }) => sum + counts, 0),
    files: files.map(({ name }) => name),
  };
}

interface Context {
  readonly builder: GraphBuilder;
  readonly g: Emit;
  readonly options: AppendOptions;
  readonly isOnly: boolean;
  readonly smoothing: number;
  readonly others: Others;
}

/** A term as a value [N], and the inputs that it takes. */
interface Appended {
  readonly perSample: Value;
  readonly shape: Shape;
  readonly form?: TargetForm | undefined;
  readonly target?: TargetInput | undefined;
  readonly teacher?: TeacherInput | undefined;
  readonly noise?: NoiseInput | undefined;
}

const sum = (g: Emit, values: readonly Value[]): Value => (values.length === 1 ? values[0]! : g.Sum(...values));

/** What is taken of a teacher, each once. */
const teachersOf = (found: readonly Pick<Appended, "teacher">[]): TeacherInput[] => [
  ...new Map(found.flatMap(({ teacher }) => (teacher ? [[teacher.input, teacher]] : []))).values(),
];

/** Targets that losses take, each once. */
function targetsOf(found: readonly Appended[], joined: readonly AppendedFile[]): TargetInput[] {
  const ofFiles = joined.flatMap(({ targets }) => targets.map((target) => ({ classes: 0, ...target })));
  const own = found.flatMap(({ target }) => target ?? []);
  return [...new Map([...ofFiles, ...own].map((target) => [target.input, target])).values()];
}

const weighed = (g: Emit, value: Value, weight: number): Value =>
  weight === 1 ? value : g.Mul(value, g.scalar(weight));

/** What a term looks at of a value: logits where its loss has the activation inside, with the samples first. */
function lookedAt({ builder, g }: Context, name: string, { loss, settings, undo }: Term): Value {
  const value = undone(g, valueIn(builder, name), undo);
  const order = loss.order?.(settings, value.shape.length);
  return order?.length === value.shape.length ? g.transposed(value, order) : value;
}

/** Probabilities as the logits that they come from. */
function undone(g: Emit, value: Value, undo: Term["undo"]): Value {
  if (undo === undefined) return value;
  const least = g.scalar(1e-7);
  const yes = g.Log(g.Max(value, least));
  return undo === "softmax" ? yes : g.Sub(yes, g.Log(g.Max(g.Sub(g.scalar(1), value), least)));
}

/** The loss against a target of the data. */
function targetTerm(context: Context, term: Term): Appended {
  const { builder, g, options, smoothing, others } = context;
  const { loss, settings } = term;
  if (options.mixture && loss.mixes === false)
    fail("bad-option", `${loss.name} cannot mix two targets: leave out ${option("mixup")}`);
  const output = lookedAt(context, term.value, term);
  const { shape } = output;
  const form = loss.target({ name: term.output, shape, has: others.has }, settings);
  const name = form?.name ?? term.target;
  const input = inputNameOf("target", name);
  if (form) takeTarget(builder, input, form, loss.name);
  const perSample = loss.perSample(g, {
    output,
    target: form && valueIn(builder, input),
    settings,
    labelSmoothing: smoothing,
    mix: (value) => (options.mixture ? mixed(g, value, options.mixture) : value),
    ...others,
  });
  const asked = form && {
    output: term.output,
    loss: loss.name,
    classes: form.classes,
    ignore: form.ignore,
    never: form.never,
    isShare: form.isShare,
    padding: form.padding,
  };
  return { perSample: weighed(g, perSample, term.weight), shape, form, target: asked && { input, name, ...asked } };
}

/** Makes a target an input of the graph. Several losses may look at one, if they take the same. */
function takeTarget(builder: GraphBuilder, input: string, form: TargetForm, loss: LossName): void {
  const known = builder.inputs.some(({ name }) => name === input) ? valueIn(builder, input) : undefined;
  if (known === undefined) builder.input(input, { dtype: form.dtype, shape: form.shape }, true);
  else if (known.dtype !== form.dtype || !sameShape(known.shape, form.shape))
    fail(
      "bad-option",
      `two losses take the same target, ${loss} as ${form.dtype} [${form.shape.join(", ")}] and the other as ` +
        `${known.dtype} [${known.shape.join(", ")}]: name another for one of them by its setting target`,
    );
}

/** The distance from what another model gives, and the rest of the loss against the target. */
function taughtTerm(context: Context, term: Term, { weight, temperature }: Distillation): Appended {
  const { builder, g } = context;
  const own = valueIn(builder, term.value);
  const input = inputNameOf("teacher", context.isOnly ? "" : term.output);
  // Several losses may look at one output.
  if (!builder.inputs.some(({ name }) => name === input))
    builder.input(input, { dtype: "float32", shape: own.shape }, true);
  const theirs = lookedAt(context, input, term);
  const ours = lookedAt(context, term.value, term);
  const soft = weighed(g, distance(g, term, [ours, theirs], temperature, context.others), term.weight);
  const teacher = { input, value: term.value };
  if (weight === 1) return { perSample: soft, shape: ours.shape, teacher };
  const hard = targetTerm(context, term);
  return {
    ...hard,
    perSample: g.Add(g.Mul(hard.perSample, g.scalar(1 - weight)), g.Mul(soft, g.scalar(weight))),
    teacher,
  };
}

/** What has the gradient of a target that is drawn from the model's own prediction. */
function drawnTerm(context: Context, term: Term): Appended {
  const { builder, g, isOnly, others } = context;
  const { loss, settings } = term;
  const output = lookedAt(context, term.value, term);
  const axis = loss.axis?.(settings, output.shape.length) ?? 1;
  const { value, times } = loss.around?.(g, output, settings) ?? {
    value: arranged(g, output, loss.distribution, axis),
    times: 1,
  };
  const { noise, perSample } = drawings[loss.distribution];
  const name = inputNameOf("noise", isOnly ? "" : term.output);
  const input = builder.input(name, { dtype: "float32", shape: value.shape }, isOnly);
  const counts = loss.counts?.(g, { output, settings, ...others });
  const drawn = perSample(g, value, valueIn(builder, input), times * term.weight, counts);
  return { perSample: drawn, shape: output.shape, noise: { input, noise } };
}

/** @throws SecateurError `bad-option` for label smoothing that is no share, or that no loss of these names can do */
export function checkSmoothing(losses: readonly string[], smoothing: number): void {
  if (!(smoothing >= 0 && smoothing <= 1))
    fail("bad-option", `label smoothing is a share from 0 to 1, not ${smoothing}`);
  if (smoothing > 0 && !losses.includes("cross-entropy"))
    fail("bad-option", "label smoothing spreads a label over classes, and needs the loss cross-entropy");
}
