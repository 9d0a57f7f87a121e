/** What a classifier says of some samples, and whether that has to do with their labels. */

import { checkClasses, checkLabels } from "../data/checks.ts";
import type { Batch, Dataset } from "../data/batches.ts";
import { findTarget } from "../execute/feeds.ts";
import type { Graph } from "../graph/graph.ts";
import { randomStream, shuffle } from "../graph/random.ts";
import { sizeOf, toNumbers, type Tensor } from "../graph/tensor.ts";
import type { MachineOptions, Runtime } from "../runtime/port.ts";
import { openMeter } from "./meter.ts";

/** What was said of samples that have labels. */
export interface Said {
  /** The outputs of the model. */
  readonly classes: number;
  readonly labels: readonly number[];
  /** The largest output of each sample. */
  readonly answers: readonly number[];
  /** The mean probability of the answers. */
  readonly confidence: number;
  /** Minus the mean logarithm of the labels' probability. */
  readonly loss: number;
}

/** Collects what a model says, a minibatch at a time. */
export interface Listener {
  /** Passes over outputs that are no classes of samples. */
  add(logits: Tensor, target: Tensor | undefined): void;
  readonly said: Said | undefined;
}

/** Whether there is a score for each class of a sample, and a class id for it. */
const isOfClasses = ({ shape }: Tensor, target: Tensor | undefined): target is Tensor =>
  shape.length > 1 &&
  shape[1]! > 1 &&
  sizeOf(shape) === shape[0]! * shape[1]! &&
  target?.dtype === "int64" &&
  target.shape.length === 1;

export function listen(): Listener {
  const [labels, answers]: [number[], number[]] = [[], []];
  let [sum, loss, classes] = [0, 0, 0];
  return {
    add(logits, target) {
      const [n, count] = logits.shape as [number, number];
      if (!isOfClasses(logits, target)) return;
      classes = count;
      const own = toNumbers(target);
      labels.push(...own);
      for (let i = 0; i < n; i++) {
        const row = (logits.data as Float32Array).subarray(i * count, (i + 1) * count);
        const best = row.reduce((best, value, c) => (value > row[best]! ? c : best), 0);
        answers.push(best);
        const total = row.reduce((all, value) => all + Math.exp(value - row[best]!), 0);
        sum += 1 / total;
        loss += Math.log(total) + row[best]! - row[own[i]!]!;
      }
    },
    get said() {
      const n = answers.length;
      return n === 0 ? undefined : { classes, labels, answers, confidence: sum / n, loss: loss / n };
    },
  };
}

/** Asks a model. */
export interface Asker extends AsyncDisposable {
  /** Fails with `bad-data` where labels do not fit the outputs. */
  ask(batch: Batch, listener: Listener): Promise<void>;
}

export async function openAsker(
  runtime: Runtime,
  graph: Graph,
  data: Dataset,
  options: MachineOptions,
): Promise<Asker> {
  const meter = await openMeter(runtime, graph, { ...options, loss: "cross-entropy", metric: undefined });
  return {
    async ask(batch, listener) {
      const { logits } = await meter.run(batch);
      const target = findTarget(batch, { name: "", output: graph.outputs[0]?.name });
      if (!isOfClasses(logits, target)) return;
      checkClasses(data, logits.shape[1]!);
      checkLabels(target, logits.shape[1]!);
      listener.add(logits, target);
    },
    [Symbol.asyncDispose]: () => meter[Symbol.asyncDispose](),
  };
}

/** Fewer samples tell nothing. */
const enough = 30;

/**
 * How far the hits of answers are above those of answers that have nothing to do with the labels, in standard
 * deviations. Those deal the same answers to the samples at random (Cohen 1960, "A coefficient of agreement for nominal
 * scales"; the variance is that of all permutations). It is 0 where all answers are the same, however common that class
 * is. `undefined` where there are too few samples, or one class alone.
 */
export function aboveChance(labels: readonly number[], answers: readonly number[]): number | undefined {
  const n = labels.length;
  const [a, b] = [countOf(labels), countOf(answers)];
  if (n < enough || a.size < 2) return undefined;
  let [together, skew] = [0, 0];
  for (const [label, count] of a) {
    const said = b.get(label) ?? 0;
    together += count * said;
    skew += count * said * (count + said);
  }
  const variance = (together - skew / n + (together / n) ** 2) / (n - 1);
  return variance <= 1e-9 ? 0 : (hitsOf(labels, answers) - together / n) / Math.sqrt(variance);
}

export const hitsOf = (labels: readonly number[], answers: readonly number[]): number =>
  answers.reduce((hits, answer, i) => hits + (answer === labels[i] ? 1 : 0), 0);

function countOf(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** How many classes there are in effect: e to the power of the entropy. */
export function spread(values: readonly number[]): number {
  const entropy = [...countOf(values).values()].reduce((sum, count) => {
    const share = count / values.length;
    return sum - share * Math.log(share);
  }, 0);
  return Math.exp(entropy);
}

/** The classes of the data as a model has them. */
export interface Order {
  /** For each output the label that goes with it, where that is known. */
  readonly labelOf: ReadonlyMap<number, number>;
  /**
   * Of the samples that the order was not found on, how many were counted, the share that it makes
   * right, and how far that is above chance.
   */
  readonly samples: number;
  readonly share: number;
  readonly above: number;
}

/**
 * The order of the classes in which answers and labels go together best. Answers are paired with labels, one with one,
 * on half of the samples. What comes of it is counted on the other half.
 */
export function findOrder({ labels, answers }: Pick<Said, "labels" | "answers">): Order | undefined {
  // Drawn, as classes may come in turns.
  const places = Int32Array.from({ length: labels.length }, (_, i) => i);
  shuffle(places, randomStream(0));
  const [half, other] = [places.subarray(places.length / 2), places.subarray(0, places.length / 2)];
  const found = pairs(
    Array.from(half, (i) => labels[i]!),
    Array.from(half, (i) => answers[i]!),
  );
  const known = Array.from(other).filter((i) => found.has(answers[i]!));
  const own = known.map((i) => labels[i]!);
  const ordered = known.map((i) => found.get(answers[i]!)!);
  const above = aboveChance(own, ordered);
  return above === undefined
    ? undefined
    : { labelOf: pairs(labels, answers), samples: own.length, share: hitsOf(own, ordered) / own.length, above };
}

/** Answers paired with labels, the most frequent pair first. */
function pairs(labels: readonly number[], answers: readonly number[]): Map<number, number> {
  const counts = countOf(labels.map((label, i) => label * 2 ** 26 + answers[i]!));
  const found = new Map<number, number>();
  const taken = new Set<number>();
  for (const [pair] of [...counts].sort(([p, a], [q, b]) => b - a || p - q)) {
    const [label, answer] = [Math.floor(pair / 2 ** 26), pair % 2 ** 26];
    if (found.has(answer) || taken.has(label)) continue;
    found.set(answer, label);
    taken.add(label);
  }
  return found;
}
