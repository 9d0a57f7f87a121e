/** Whether a model that learned without labels still says what its original said, or little of it. */

import type { Dataset } from "../data/batches.ts";
import type { Kept } from "../evaluate/kept.ts";
import { option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Runtime } from "../runtime/port.ts";
import { stepOptions, type LearnOptions, type TaughtOptions } from "../train/options.ts";
import { openStream } from "../train/stream.ts";
import { openTeacher } from "../train/teacher.ts";
import { openTrainer } from "../train/trainer.ts";

/** An output of which little is left. */
export interface RuinedOutput {
  readonly output: string;
  /** The share that is left of what tells it from a constant answer, at most 0.25 and never below 0. */
  readonly left: number;
  /** The same in words: "0 of 3,716 yes". */
  readonly words: string;
}

/** How far a model is from its original, beside what a constant answer would be. */
export interface DistanceLeft {
  /** The mean over some minibatches, as it was learned from. */
  readonly loss: number;
  /** Of a model that answers all the same; NaN where that is not known. */
  readonly chance: number;
}

/** What is left of the original, where nothing but it was learned from. */
export interface Left {
  /** The outputs of which little is left, by the data for validation; absent where none is. */
  readonly ruined?: readonly RuinedOutput[] | undefined;
  /** How far the model is from the original, on what it learned from. */
  readonly distance?: DistanceLeft | undefined;
}

/** Little is left of what the teacher says. */
export interface RuinedEvent extends Left {
  readonly kind: "ruined";
}

/** A model that has no more left of an output has lost it. */
const little = 0.25;
/** Fewer decisions tell nothing. */
const fewest = 10;
/** From so much of what a constant answer is away on, a model knows next to nothing. */
const nearChance = 0.7;
/** Minibatches that the distance is taken on. */
const looked = 8;

/** The outputs of which little is left. */
export const ruinedOutputs = (outputs: Readonly<Record<string, Kept>>): RuinedOutput[] =>
  Object.entries(outputs).flatMap(([output, kept]) => {
    const found = leftOf(kept);
    return found !== undefined && found.left <= little ? [{ output, ...found }] : [];
  });

function leftOf(kept: Kept): Omit<RuinedOutput, "output"> | undefined {
  if (kept.of === "nothing") return undefined;
  if (kept.of === "numbers")
    return { left: Math.max(0, kept.r2), words: `its numbers are ${kept.apart.toFixed(2)} standard deviations off` };
  const { rare } = kept;
  if (rare === undefined || rare.before < fewest) return undefined;
  const those = rare.answer ?? "places in other classes than the most common one";
  const [both, before] = [rare.both, rare.before].map((count) => count.toLocaleString("en-US"));
  return { left: rare.both / rare.before, words: `${both} of ${before} ${those} are left` };
}

/** Whether a distance is about that of a constant answer. */
const isNearChance = ({ loss, chance }: DistanceLeft): boolean => loss >= nearChance * chance;

/** Whether so little is left that the model must not pass for a good one. */
export const isRuined = ({ ruined, distance }: Left): boolean =>
  ruined !== undefined || (distance !== undefined && isNearChance(distance));

/** What was lost, in words. */
export function whatIsLeft({ ruined = [], distance }: Left): string {
  const told = ruined.map(({ output, words }) => `"${output}": ${words}`);
  if (distance && isNearChance(distance))
    told.push(
      `the distance from the original is ${distance.loss.toPrecision(3)}, where a constant answer has ` +
        distance.chance.toPrecision(3),
    );
  return told.join("; ");
}

/** What was lost, and what to do, in a sentence. */
export const describeRuin = (left: Left, job: keyof typeof remedies): string =>
  `little is left of what the original said: ${whatIsLeft(left)}. ${remedies[job]()}`;

const remedies = {
  prune: () =>
    `Give more data, remove less, learn longer by ${option("epochs")}, or say by ${option("maxDrop")} how much may ` +
    "be lost",
  finetune: () => `Give more data, learn longer by ${option("epochs")}, or begin with a model that was cut less`,
} as const;

/**
 * What is left of the original in a model.
 *
 * @param outputs what is kept of each, where that was measured
 */
export async function leftIn(
  runtime: Runtime,
  graph: Graph,
  data: Dataset,
  options: LearnOptions & TaughtOptions,
  outputs: Readonly<Record<string, Kept>> = {},
): Promise<Left> {
  const ruined = ruinedOutputs(outputs);
  return { ...(ruined.length > 0 && { ruined }), distance: await distanceLeft(runtime, graph, data, options) };
}

/** How far a model is from its teacher on the first minibatches of the data, as learning sees it. */
async function distanceLeft(
  runtime: Runtime,
  graph: Graph,
  data: Dataset,
  options: LearnOptions & TaughtOptions,
): Promise<DistanceLeft> {
  await using teacher = await openTeacher(runtime, options);
  await using trainer = await openTrainer(runtime, graph, stepOptions(options));
  await using stream = openStream(data, options, { epoch: 0, batch: 0 });
  const losses: number[] = [];
  let chance = Number.NaN;
  for (let i = 0; i < looked; i++) {
    const batch = await stream.next();
    if (i === 0) ({ chance } = await trainer.scaleOf(batch, teacher));
    losses.push((await trainer.step(batch, 0, i, teacher)).loss);
  }
  return { loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length, chance };
}
