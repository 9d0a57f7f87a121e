/** Computes again what would have to be kept, where a graph would take more memory than it may. */

import { bodies, type Graph, type Node, type Type } from "../graph/graph.ts";
import { type Names, namesOf } from "../graph/names.ts";
import { plainAttributes, type Value } from "../ops/core/define.ts";
import { findOp } from "../ops/table.ts";
import { bytesOf, endOf, timelineOf, type Store, type Timeline } from "./timeline.ts";

export interface Recomputed {
  readonly graph: Graph;
  /** Nodes that were added. */
  readonly repeated: number;
  /** The most bytes that are computed and still to be read at the same time. */
  readonly activations: number;
}

/**
 * What a copy is made of is kept for it where it takes at most this share of what is let go; else
 * it is made again too, where it can be.
 */
const smallShare = 1 / 8;
/** Values that save less than this share of what saves most are left alone. */
const worthShare = 1 / 8;
/** And those that save less than this share of all that is alive. */
const leastShare = 1 / 1000;

/**
 * Repeats nodes until what is alive at once takes no more bytes than a limit, or nothing more is to be gained. A value
 * that waits for readers which come late is let go, and made a second time for them by copies of its nodes, out of what
 * is there by then. Nodes with multiply-accumulates are not repeated, nor such as draw at random.
 *
 * @param graph with every size fixed. Whoever merges equal nodes afterwards undoes this
 * @param types of its values
 * @param elsewhere outputs that are written to memory which is there already
 */
export function recompute(
  graph: Graph,
  types: ReadonlyMap<string, Type>,
  limit: number,
  elsewhere: ReadonlySet<string> = new Set(),
): Recomputed {
  let state = stateOf(graph, types, new Map(), elsewhere);
  const tried = new Set<string>();
  const taken = namesOf(graph);
  for (let plan; state.timeline.most > limit && (plan = bestPlan(state, tried, taken));) {
    tried.add(plan.key);
    const other = follow(state, plan, elsewhere);
    if (isBetter(other, state, limit)) state = other;
  }
  return {
    graph: state.graph,
    repeated: state.graph.nodes.length - graph.nodes.length,
    activations: state.timeline.most,
  };
}

interface State {
  readonly graph: Graph;
  readonly types: ReadonlyMap<string, Type>;
  /** What each copy of a value is a copy of. */
  readonly origins: ReadonlyMap<string, string>;
  readonly timeline: Timeline;
}

const stateOf = (
  graph: Graph,
  types: ReadonlyMap<string, Type>,
  origins: ReadonlyMap<string, string>,
  elsewhere: ReadonlySet<string>,
): State => ({ graph, types, origins, timeline: timelineOf(graph, types, elsewhere) });

/** What is repeated can be in the way of something else, and there may be several places where the most is alive. */
const isBetter = (a: State, b: State, limit: number): boolean =>
  a.timeline.most < b.timeline.most || (a.timeline.most === b.timeline.most && excess(a, limit) < excess(b, limit));

const excess = ({ timeline }: State, limit: number): number =>
  timeline.alive.reduce((sum, bytes) => sum + Math.max(0, bytes - limit), 0);

/** How a store that waits is let go. */
interface Plan {
  readonly key: string;
  /** The nodes that read it late. */
  readonly readers: ReadonlySet<Node>;
  /** What they read instead of each value that lies there. */
  readonly instead: ReadonlyMap<string, string>;
  /** By the nodes that they repeat. */
  readonly copies: ReadonlyMap<Node, Node>;
  /** Bytes fewer at the peak. */
  readonly gain: number;
  /** Bytes that the copies read and write. */
  readonly cost: number;
}

/** What saves most for what it costs, of all that waits while the most is alive. */
function bestPlan(state: State, tried: ReadonlySet<string>, taken: Names): Plan | undefined {
  const plan = createPlanner(state, taken);
  const plans = [...state.timeline.stores.values()].flatMap((store) => plan(store) ?? []);
  const open = plans.filter(({ key }) => !tried.has(key));
  const worth = worthShare * open.reduce((most, { gain }) => Math.max(most, gain), 0);
  return open
    .filter(({ gain }) => gain >= worth)
    .reduce<Plan | undefined>(
      (best, one) => (best === undefined || one.gain * best.cost > best.gain * one.cost ? one : best),
      undefined,
    );
}

/**
 * Plans for the stores of a state: none for one that does not wait while the most is
 * alive, or that would save too little.
 */
function createPlanner({ types, origins, timeline }: State, taken: Names): (store: Store) => Plan | undefined {
  const { order, storeOf, peak, most } = timeline;
  const least = Math.max(1, leastShare * most);
  const born = new Map(order.flatMap(({ outputs }, at) => outputs.map((name) => [name, at] as const)));
  const variants = variantsOf(origins);

  return (store) => {
    if (store.bytes < least || store.from >= peak || endOf(store) <= peak) return undefined;
    const late = store.reads.filter((at) => at > peak);
    const at = late[0]!;
    if (store.reads.includes(peak)) return undefined;
    if (late.at(-1) === order.length || !isRepeatable(order[store.from]!, types)) return undefined;
    const readers = new Set(late.map((place) => order[place]!));
    if ([...readers].some((node) => bodies(node).length > 0)) return undefined;

    const copies = new Map<Node, Node>();
    const renamed = new Map<string, string>();
    let [kept, cost] = [0, 0];
    /** What is read for a value where the store is wanted again. */
    const again = (name: string): string => {
      const own = storeOf(name);
      if (own === undefined) return name;
      const known = renamed.get(name);
      if (known !== undefined) return known;
      // A copy that is made later still is made here from now on.
      const there = variants(name).find((variant) => storeOf(variant) !== store && endOf(storeOf(variant)!) >= at);
      if (there !== undefined) return there;
      const node = order[born.get(name)!]!;
      const isKept = own !== store && (own.bytes <= smallShare * store.bytes || !isRepeatable(node, types));
      if (!isKept) return repeat(node, name);
      if (endOf(own) < peak) kept += own.bytes;
      return name;
    };
    const repeat = (node: Node, name: string): string => {
      const inputs = node.inputs.map((input) => (input === "" ? "" : again(input)));
      const outputs = node.outputs.map((output) => (output === "" ? "" : taken.fresh(`${output}/again`)));
      // Of the names of nodes the runtime wants none twice.
      copies.set(node, { ...node, name: "", inputs, outputs });
      node.outputs.forEach((output, i) => renamed.set(output, outputs[i]!));
      for (const value of [...node.inputs, ...node.outputs]) cost += bytesOf(types.get(value));
      return renamed.get(name)!;
    };

    const wanted = new Set([...readers].flatMap(({ inputs }) => inputs));
    const lying = [...wanted].filter((name) => storeOf(name) === store && born.get(name)! < at);
    const instead = new Map(lying.map((name) => [name, again(name)]));
    const gain = store.bytes - kept;
    if (gain < Math.max(least, store.bytes / 2)) return undefined;
    return { key: `${store.name} ${order[at]!.outputs[0]}`, readers, instead, copies, gain, cost };
  };
}

/** By a value all that are the same, itself included. */
function variantsOf(origins: ReadonlyMap<string, string>): (name: string) => readonly string[] {
  const same = new Map<string, string[]>();
  for (const [copy, origin] of origins) {
    const known = same.get(origin);
    if (known) known.push(copy);
    else same.set(origin, [origin, copy]);
  }
  return (name) => same.get(origins.get(name) ?? name) ?? [name];
}

/** Whether a node gives the same a second time, at the cost of memory's speed. */
function isRepeatable({ op: name, domain, inputs, outputs, attributes }: Node, types: State["types"]): boolean {
  const op = findOp(name, domain);
  if (op === undefined || op.random) return false;
  const valueOf = (value: string): Value | undefined => {
    const type = types.get(value);
    return type && { name: value, ...type };
  };
  const [read, written] = [inputs.map(valueOf), outputs.map(valueOf)];
  if ([...read, ...written].some((value, i) => value === undefined && [...inputs, ...outputs][i] !== "")) return false;
  return (op.macs?.(read, written as Value[], plainAttributes(op, attributes)) ?? 0) === 0;
}

/**
 * The state after a plan. Copies stand behind what they are copies of: of what a node reads the runtime computes last
 * what stands first in the file, so that a copy is made when all else is there.
 */
function follow({ graph, types, origins }: State, { readers, instead, copies }: Plan, elsewhere: ReadonlySet<string>) {
  const [allTypes, allOrigins] = [new Map(types), new Map(origins)];
  const nodes = graph.nodes.flatMap((node) => {
    const reading = readers.has(node)
      ? { ...node, inputs: node.inputs.map((name) => instead.get(name) ?? name) }
      : node;
    const copy = copies.get(node);
    if (copy === undefined) return [reading];
    node.outputs.forEach((name, i) => {
      if (name === "") return;
      allTypes.set(copy.outputs[i]!, types.get(name)!);
      allOrigins.set(copy.outputs[i]!, origins.get(name) ?? name);
    });
    return [reading, copy];
  });
  return stateOf({ ...graph, nodes }, allTypes, allOrigins, elsewhere);
}
