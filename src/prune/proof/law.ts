/** The law at work: two graphs run side by side, and what they compute is held against what float32 can tell. */

import { captures, describe, type Graph, type Node } from "../../graph/graph.ts";
import type { Shape } from "../../graph/tensor.ts";
import { findOp } from "../../ops/table.ts";
import type { Traced } from "../../passes/trace.ts";
import type { Tensors } from "../../runtime/port.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Cut } from "../cut/cut.ts";
import { differ, type Difference } from "./differ.ts";
import { perturbedFeeds, perturbedGraph } from "./noise.ts";
import type { Sides } from "./sides.ts";
import { holdsFloats, splitAt, watchedIn, type Stretches } from "./stretches.ts";

/** The first value in which a cut and its mask are not the same. */
export interface Mismatch {
  readonly node: string;
  readonly value: string;
  readonly difference: number;
}

export interface Proof {
  /** The largest difference of any value compared, as a share of that value's largest magnitude. */
  readonly difference: number;
  readonly tolerance: number;
  /**
   * Nodes at which removing is not zeroing: what they compute of a smaller input is another thing by nature.
   * Each is given the values of the masked model, so that the law is shown for every stretch between them; empty
   * where it holds for the model as a whole.
   */
  readonly between: readonly string[];
  /** Nodes whose results are random; they are given those of the masked model, too. */
  readonly random: readonly string[];
  /** Elements of floats that were compared: outputs, what is in front of them, and what nodes inside compute. */
  readonly elements: number;
  /** Those among them that are not finite, which shows nothing. */
  readonly notFinite: number;
  /** Those of values that differ by no more than float32 can tell there; they are not counted in `difference`. */
  readonly noisy: number;
  /**
   * Whether they had to be compared without the runtime's optimiser, because with it they differ by more than they may.
   */
  readonly unoptimised: boolean;
  /** The shapes of the inputs at each of the sizes that both ran at. */
  readonly at: readonly Readonly<Record<string, Shape>>[];
  readonly mismatch?: Mismatch;
}

/**
 * A value may differ by so many times what it differs by where weights are rounded
 * otherwise; right cuts stay below once.
 */
const margin = 8;

/** A single number may hardly move where its weights do, by chance: few ways of rounding them would say too little. */
const noiseSeeds = [1, 2, 3, 4] as const;

/** What both sides run with. */
export interface ProofSetting {
  readonly traced: Traced;
  readonly shrink: Cut["shrink"];
  readonly feeds: Tensors;
}

/** What is to be shown: that two graphs compute the same at every setting. */
export interface Law {
  readonly sides: Sides;
  readonly analysis: Analysis;
  /** The first is that of the trace. */
  readonly settings: readonly ProofSetting[];
  readonly zeroed: Graph;
  readonly small: Graph;
  readonly tolerance: number;
}

/** A value on both sides. */
interface Compared extends Difference {
  readonly name: string;
  /** The number of the setting. */
  readonly at: number;
  /** Whether it differs by no more than the cut model does from itself; absent where nobody had to ask. */
  readonly noisy?: boolean;
}

/** Compares the two sides, and finds the first node at which they differ by more than they may. */
export async function proveLaw(law: Law, broken: readonly Node[]): Promise<Omit<Proof, "at">> {
  const { analysis, small, tolerance } = law;
  const { graph, traced } = analysis;
  // The optimiser has faults that show in one graph and not in the other; a cut that is wrong is wrong without it, too.
  const plain = { ...law, sides: law.sides.plain };
  let stretches = splitAt(small, analysis, broken);
  let { compared }: { compared: readonly Compared[] } = await runBoth(law, stretches, watchedIn(stretches, analysis));
  let random: readonly Node[] = [];
  let unoptimised = false;
  if (compared.some((one) => isFar(one, tolerance))) {
    ({ compared } = await runBoth(plain, stretches, watchedIn(stretches, analysis)));
    unoptimised = !compared.some((one) => isFar(one, tolerance));
  }
  if (compared.some((one) => isFar(one, tolerance))) {
    random = await randomNodes(plain);
    stretches = splitAt(small, analysis, [...broken, ...random]);
    compared = await judge(plain, stretches, watchedIn(stretches, analysis));
  }
  const told = compared.filter((one) => !one.noisy);
  const sum = (list: readonly Compared[], key: "elements" | "notFinite") => list.reduce((n, one) => n + one[key], 0);
  const proof = {
    difference: Math.max(0, ...told.map((one) => one.difference)),
    tolerance,
    between: broken.map(describe),
    random: random.map(describeRandom),
    elements: sum(compared, "elements"),
    notFinite: sum(compared, "notFinite"),
    noisy: sum(compared, "elements") - sum(told, "elements"),
    unoptimised,
  };
  const far = told.find((one) => isFar(one, tolerance));
  if (far === undefined) return proof;
  const computed = stretches.graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => holdsFloats(traced, name)));
  const first = (await judge(plain, stretches, computed)).find((one) => !one.noisy && isFar(one, tolerance)) ?? far;
  const node = graph.nodes.find(({ outputs }) => outputs.includes(first.name));
  return {
    ...proof,
    mismatch: {
      node: node ? describe(node) : "an input of the model",
      value: first.name,
      difference: first.difference,
    },
  };
}

const isFar = ({ difference }: Compared, tolerance: number): boolean => !(difference <= tolerance);

/** What is watched in a stretch on both sides, at every setting; what the masked model gives to it. */
async function runBoth({ sides, zeroed, settings }: Law, stretches: Stretches, watched: readonly string[]) {
  const feeds = settings.map((one) => one.feeds);
  const whole = await sides.run(zeroed, feeds, [...new Set([...watched, ...stretches.given])]);
  const given = settings.map(({ shrink }, i) =>
    Object.fromEntries(stretches.given.map((name) => [name, shrink(name, whole[i]![name]!)])),
  );
  const part = await sides.run(stretches.graph, feeds, watched, given);
  const compared = settings.flatMap(({ shrink }, i) =>
    watched.map((name): Compared => ({ name, at: i, ...differ(shrink(name, whole[i]![name]!), part[i]![name]!) })),
  );
  return { part, given, compared };
}

/** The same; what differs is held against what float32 can tell. */
async function judge(law: Law, stretches: Stretches, watched: readonly string[]): Promise<readonly Compared[]> {
  const { part, given, compared } = await runBoth(law, stretches, watched);
  const far = [...new Set(compared.filter((one) => isFar(one, law.tolerance)).map(({ name }) => name))];
  if (far.length === 0) return compared;
  const noise = new Map<string, number>();
  for (const seed of noiseSeeds) {
    const feeds = law.settings.map((one) => perturbedFeeds(one.feeds, seed));
    const others = given.map((one) => perturbedFeeds(one, seed));
    const again = await law.sides.run(perturbedGraph(stretches.graph, seed), feeds, far, others);
    again.forEach((values, at) => {
      for (const name of far) {
        const key = `${at} ${name}`;
        noise.set(key, Math.max(noise.get(key) ?? 0, differ(part[at]![name]!, values[name]!).largest));
      }
    });
  }
  return compared.map((one) => {
    const own = noise.get(`${one.at} ${one.name}`);
    return own === undefined ? one : { ...one, noisy: one.largest <= margin * own };
  });
}

/** Nodes that compute another thing each time, of the same inputs. */
async function randomNodes({ sides, zeroed, analysis: { graph, traced }, settings }: Law): Promise<Node[]> {
  const known = (name: string): boolean => {
    const type = traced.types.get(name);
    return type !== undefined && type.dtype !== "string" && !traced.constants.has(name);
  };
  const computed = new Set(zeroed.nodes.flatMap(({ outputs }) => outputs));
  const names = graph.nodes.flatMap(({ outputs }) =>
    outputs.filter((name) => name !== "" && known(name) && computed.has(name)),
  );
  const { feeds } = settings[0]!;
  const [one, two] = await sides.run(zeroed, [feeds, feeds], names);
  const other = new Set(names.filter((name) => differ(one![name]!, two![name]!).largest > 0));
  return graph.nodes.filter(
    (node) =>
      node.outputs.some((name) => other.has(name)) &&
      ![...node.inputs, ...captures(node)].some((name) => other.has(name)),
  );
}

const describeRandom = (node: Node): string =>
  `${describe(node)} ${findOp(node.op, node.domain)?.training?.noise ? "is in training mode" : "draws at random"}`;
