/** What is kept of a model's outputs by another: of decisions how many, of numbers how far they are apart. */

import { sizeOf, type Tensor } from "../graph/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import type { Term } from "../objective/terms.ts";
import { sameShape } from "../ops/emitter.ts";
import { headOf } from "../passes/heads.ts";
import { cosineAt } from "./metrics/cosine.ts";
import { decibels, peakOf } from "./metrics/psnr.ts";
import { classesAlong, isWhole, largestAt } from "./metrics/taken.ts";

/** What decisions an output holds: a class at each place, a yes or no, a whole number, or none but numbers. */
export type Decisions = "classes" | "yes-no" | "whole numbers";

/** What is kept of an output. */
export type Kept =
  | {
      readonly of: Decisions;
      /** The share of decisions that are the same. */
      readonly kept: number;
      /** Decisions over all samples. */
      readonly decisions: number;
      /** Where more than half of the original's decisions are one and the same, as no object: all others. */
      readonly rare?: Rare;
    }
  | {
      readonly of: "numbers";
      /** The root of the mean squared difference, in standard deviations of the original. */
      readonly apart: number;
      /** The share of the original's variance that is explained: 1 - apart². */
      readonly r2: number;
      readonly elements: number;
      /** Of images [N, C, H, W] of 1 or 3 channels, in decibels: see the metric psnr. */
      readonly psnr?: number;
      /** Of embeddings, [N, C] or of length 1 along the last axis: the mean of the cosines. */
      readonly cosine?: number;
    }
  | { readonly of: "nothing"; readonly reason: string };

/** Decisions that are not the most common one. */
export interface Rare {
  /** How many the original makes. */
  readonly before: number;
  /** How many of these are kept. */
  readonly both: number;
  /** Places where either model makes one. */
  readonly either: number;
  /** Of yes and no: which of them it is. */
  readonly answer?: "yes" | "no";
}

/** What an output is taken for. */
type Form =
  | { readonly of: "classes"; readonly axis: number }
  | { readonly of: "yes-no"; readonly from: number }
  | { readonly of: "whole numbers" }
  | { readonly of: "numbers" };

interface Keeper {
  add(before: Tensor, after: Tensor): void;
  /** Of all that was added. */
  kept(): Kept;
}

/** Counts what is kept of an output, a minibatch at a time. */
export interface OutputKeeper extends Keeper {
  readonly name: string;
}

/**
 * One for each output of the original, in their order. An output is what its loss takes it for, else what it ends in.
 *
 * @param terms of the loss by which the models are compared
 */
export const keepersOf = (graph: Graph, terms: readonly Term[]): OutputKeeper[] =>
  graph.outputs.map(({ name }) => {
    let keeper: Keeper | undefined;
    return {
      name,
      add(before, after) {
        if (!sameShape(before.shape, after.shape)) keeper = notAlike(before, after);
        keeper ??= start(formOf(graph, terms, name, before));
        keeper.add(before, after);
      },
      kept: () => keeper!.kept(),
    };
  });

function formOf(graph: Graph, terms: readonly Term[], output: string, value: Tensor): Form {
  if (isWhole(value)) return { of: "whole numbers" };
  const term = terms.find((one) => one.output === output);
  const head = headOf(graph, output);
  const rank = value.shape.length;
  const from = (axis: number): number => (axis < 0 ? axis + rank : axis);
  switch (term?.loss.distribution) {
    case "categorical":
      return { of: "classes", axis: from(term.loss.axis?.(term.settings, rank) ?? 1) };
    case "bernoulli":
      return { of: "yes-no", from: head?.activation === "sigmoid" ? 0.5 : 0 };
    default:
      if (head?.activation === "softmax") return { of: "classes", axis: from(head.axis ?? -1) };
      return head?.activation === "sigmoid" ? { of: "yes-no", from: 0.5 } : { of: "numbers" };
  }
}

function start(form: Form): Keeper {
  switch (form.of) {
    case "classes":
      return keepClasses(form.axis);
    case "yes-no":
      return keepYes(form.from);
    case "whole numbers":
      return keepSame();
    case "numbers":
      return keepNumbers();
  }
}

/** A decision of the original and of the other model, counted. */
interface Tally {
  before: number;
  after: number;
  both: number;
}

/** Counts decisions for one of several answers. */
function keepAnswers(of: "classes" | "yes-no") {
  const tallies: Tally[] = [];
  const tallyOf = (answer: number): Tally => (tallies[answer] ??= { before: 0, after: 0, both: 0 });
  return {
    count(was: number, is: number): void {
      const tally = tallyOf(was);
      tally.before++;
      tallyOf(is).after++;
      if (was === is) tally.both++;
    },
    kept(): Kept {
      const all = Object.values(tallies);
      const [decisions, same] = [sumOf(all, "before"), sumOf(all, "both")];
      const common = tallies.findIndex((tally) => tally !== undefined && 2 * tally.before > decisions);
      const most = tallies[common];
      const rare = most && {
        before: decisions - most.before,
        both: same - most.both,
        either: decisions - most.both,
        ...(of === "yes-no" && { answer: common === 0 ? ("yes" as const) : ("no" as const) }),
      };
      return { of, kept: same / decisions, decisions, ...(rare && { rare }) };
    },
  };
}

const sumOf = (all: readonly Tally[], key: keyof Tally): number => all.reduce((sum, tally) => sum + tally[key], 0);

function keepClasses(axis: number): Keeper {
  const answers = keepAnswers("classes");
  return {
    add(before, after) {
      const [a, b] = [classesAlong(before, axis), classesAlong(after, axis)];
      for (let place = 0; place < a.places; place++) answers.count(largestAt(a, place), largestAt(b, place));
    },
    kept: answers.kept,
  };
}

function keepYes(from: number): Keeper {
  const answers = keepAnswers("yes-no");
  return {
    add({ data: x }, { data: y }) {
      for (let i = 0; i < x.length; i++) answers.count(Number(Number(x[i]) >= from), Number(Number(y[i]) >= from));
    },
    kept: answers.kept,
  };
}

function keepSame(): Keeper {
  let [same, decisions] = [0, 0];
  return {
    add({ data: x }, { data: y }) {
      for (let i = 0; i < x.length; i++) if (x[i] === y[i]) same++;
      decisions += x.length;
    },
    kept: () => ({ of: "whole numbers", kept: same / decisions, decisions }),
  };
}

/** How far a vector's length may be from 1. */
const rounding = 1e-3;

function keepNumbers(): Keeper {
  let [elements, mean, spread, squares] = [0, 0, 0, 0];
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const images: number[] = [];
  let [isEmbedding, vectors, cosines] = [true, 0, 0];
  return {
    add(before, after) {
      const [x, y] = [before.data, after.data] as [Float32Array, Float32Array];
      const samples = before.shape[0] ?? 1;
      const each = x.length / samples;
      for (let n = 0; n < samples; n++) {
        let own = 0;
        for (let i = n * each; i < (n + 1) * each; i++) {
          const value = x[i]!;
          own += (value - y[i]!) ** 2;
          if (value < low) low = value;
          if (value > high) high = value;
          // Welford 1962: the sum of squares about a mean that moves.
          const from = value - mean;
          mean += from / ++elements;
          spread += from * (value - mean);
        }
        squares += own;
        if (isImage(before)) images.push(own / each);
      }
      isEmbedding &&= isOfVectors(before);
      if (!isEmbedding) return;
      const [a, b] = [classesAlong(before, before.shape.length - 1), classesAlong(after, after.shape.length - 1)];
      for (let place = 0; place < a.places; place++) cosines += cosineAt(a, b, place);
      vectors += a.places;
    },
    kept(): Kept {
      if (spread === 0 && squares > 0)
        return { of: "nothing", reason: "the original gives the same number everywhere" };
      const apart = squares === 0 ? 0 : Math.sqrt(squares / spread);
      const peak = peakOf(low, high);
      const psnr = images.reduce((sum, error) => sum + decibels(peak, error), 0) / images.length;
      return {
        of: "numbers",
        apart,
        r2: 1 - apart ** 2,
        elements,
        ...(images.length > 0 && { psnr }),
        ...(isEmbedding && vectors > 0 && { cosine: cosines / vectors }),
      };
    },
  };
}

const isImage = ({ shape }: Tensor): boolean =>
  shape.length === 4 && [1, 3].includes(shape[1]!) && shape[2]! > 1 && shape[3]! > 1;

/** Whether these are vectors whose directions count: one for each sample, or of length 1. */
function isOfVectors({ shape, data }: Tensor): boolean {
  const length = shape.at(-1) ?? 1;
  if (length < 2 || shape.length < 2) return false;
  if (shape.length === 2) return true;
  const values = data as Float32Array;
  for (let at = 0; at < sizeOf(shape); at += length) {
    let sum = 0;
    for (let i = at; i < at + length; i++) sum += values[i]! ** 2;
    if (Math.abs(sum - 1) > rounding) return false;
  }
  return true;
}

/** Outputs whose size depends on what was found cannot be set side by side. */
function notAlike({ shape: a }: Tensor, { shape: b }: Tensor): Keeper {
  const reason = `it is [${a.join(", ")}] in the first model and [${b.join(", ")}] in the second`;
  return { add: () => {}, kept: () => ({ of: "nothing", reason }) };
}

/**
 * How far a model decides as the original does, in one number: the least over outputs of the share of decisions that
 * is kept, or of numbers of the share of variance that is explained, at least 0. Where more than half of an output's
 * decisions are one and the same, as that there is no object, those on which both models agree in that do not count:
 * else a model that finds nothing any more would seem to have kept nearly all.
 *
 * @returns nothing where no output can be compared
 */
export function agreementOf(outputs: Readonly<Record<string, Kept>>): number | undefined {
  const each = Object.values(outputs).flatMap((one) => (one.of === "nothing" ? [] : [shareOf(one)]));
  return each.length === 0 ? undefined : Math.min(...each);
}

function shareOf(kept: Exclude<Kept, { of: "nothing" }>): number {
  if (kept.of === "numbers") return Math.max(0, kept.r2);
  const { rare } = kept;
  return rare === undefined ? kept.kept : rare.either === 0 ? 1 : rare.both / rare.either;
}
