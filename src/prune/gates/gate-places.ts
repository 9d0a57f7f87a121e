/** Other places for gates than where they remove a unit: what criteria have been measured at. */

import type { GatePlace } from "../../options/ranking.ts";
import { fail, option } from "../../graph/error.ts";
import { producersOf, readersOf, type Node } from "../../graph/graph.ts";
import { isFloat } from "../../graph/tensor.ts";
import { activations } from "../coupling/couple.ts";
import type { Groups } from "../coupling/groups.ts";
import { linksOf, type Link } from "../coupling/links.ts";
import { keyOf, type AxisReference } from "../coupling/axis-references.ts";

type Gates = ReadonlyMap<string, readonly AxisReference[]>;

/** The gates of each group elsewhere. Gates that cannot stand there stay where they are; an error where that is all of them. */
export function moveGates(groups: Groups, gates: Gates, at: GatePlace): Map<string, readonly AxisReference[]> {
  if (at === "after-bn") return new Map(gates);
  const move = movers[at](createNet(groups));
  const moved = new Map(
    groups.groups.map(({ name, axes: places }) => [name, unique(move(gates.get(name)!, places))] as const),
  );
  const same = [...moved].every(([name, now]) => {
    const old = new Set(gates.get(name)!.map(keyOf));
    return now.length === old.size && now.every((place) => old.has(keyOf(place)));
  });
  if (same) fail("unsupported", `no gate of the model can stand ${missing[at]}; use ${option("gates", "after-bn")}`);
  return moved;
}

const missing: Readonly<Record<Exclude<GatePlace, "after-bn">, string>> = {
  "before-bn": "before a BatchNormalization: it has none, or all are folded into what they follow",
  "after-activation": "behind an activation: none follows a gate directly",
  residual: "on a residual stream: no unit is carried by a sum",
};

const unique = (places: readonly AxisReference[]): AxisReference[] => [
  ...new Map(places.map((place) => [keyOf(place), place])).values(),
];

interface Net {
  readonly alive: ReadonlySet<string>;
  link(node: Node): Link | undefined;
  producer(value: string): Node | undefined;
  readers(value: string): readonly Node[];
}

function createNet({ coupling: { traced } }: Groups): Net {
  const producers = producersOf(traced.graph);
  const readers = readersOf(traced.graph);
  const links = linksOf(traced);
  return {
    alive: activations(traced),
    link: (node) => links.get(node),
    producer: (value) => producers.get(value),
    readers: (value) => readers.get(value) ?? [],
  };
}

type Move = (gates: readonly AxisReference[], all: readonly AxisReference[]) => readonly AxisReference[];

const movers: Readonly<Record<Exclude<GatePlace, "after-bn">, (net: Net) => Move>> = {
  "before-bn": (net) => (gates, all) => gates.flatMap((place) => before(net, place, all)),
  "after-activation": (net) => (gates, all) => gates.map((place) => forward(net, place, all)),
  residual: (net) => (gates, all) => {
    const sums = all.filter((place) => isSum(net, place, all));
    return sums.length === 0 ? gates : sums.map((place) => forward(net, place, all));
  },
};

/** In front of the operator that a gate stands behind, where that operator keeps statistics of what it normalises. */
function before(net: Net, place: AxisReference, all: readonly AxisReference[]): readonly AxisReference[] {
  const node = net.producer(place.value);
  const link = node && net.link(node);
  if (link?.applied.op.training?.states === undefined) return [place];
  const from = all.filter(
    (one) => net.alive.has(one.value) && node!.inputs.includes(one.value) && link.passes(one, place),
  );
  return from.length > 0 ? from : [place];
}

/**
 * Gates as far on as a factor on the unit stays the same factor: what a gate's gradient is does not change, nor that gate's own second derivative, but less has to
 * be read for it, and nothing be differentiated that lies before.
 *
 * @param everything whether all parameters are differentiated too: gates then stay behind an operator whose own sums tell their gradient
 */
export function passGates(groups: Groups, gates: Gates, everything = false): Map<string, readonly AxisReference[]> {
  const net = createNet(groups);
  const stays = ({ value, axis }: AxisReference): boolean =>
    everything && axis === 1 && net.link(net.producer(value)!)?.applied.op.gate !== undefined;
  const pass = (place: AxisReference, all: readonly AxisReference[]): AxisReference =>
    stays(place) ? place : forward(net, place, all, ({ applied }) => applied.op.homogeneous === true);
  return new Map(
    groups.groups.map(({ name, axes: places }) => [name, unique(gates.get(name)!.map((place) => pass(place, places)))]),
  );
}

/** As far on as the unit is handed by operators that read nothing else and whose output is zero where the unit is. */
function forward(
  net: Net,
  start: AxisReference,
  all: readonly AxisReference[],
  passable: (link: Link) => boolean = () => true,
): AxisReference {
  let place = start;
  for (;;) {
    const [reader, ...others] = net.readers(place.value);
    const link = reader && net.link(reader);
    if (link === undefined || others.length > 0 || !passable(link) || readsMore(net, link, place, all)) return place;
    const next = all.filter(
      (to) => net.alive.has(to.value) && reader!.outputs.includes(to.value) && link.passes(place, to),
    );
    if (next.length !== 1) return place;
    place = next[0]!;
  }
}

function readsMore(net: Net, { applied, passes }: Link, place: AxisReference, all: readonly AxisReference[]): boolean {
  if (applied.op.zero?.(applied.inputs, applied.attributes) === undefined) return true;
  return applied.inputs.some(
    (input) =>
      input !== undefined &&
      input.name !== place.value &&
      isFloat(input.dtype) &&
      (net.alive.has(input.name) || all.some((one) => one.value === input.name && passes(one, place))),
  );
}

/** Whether a value is the sum of several activations that all carry the unit. */
function isSum(net: Net, place: AxisReference, all: readonly AxisReference[]): boolean {
  const node = net.producer(place.value);
  const link = node && net.link(node);
  if (link === undefined || link.applied.op.zero?.(link.applied.inputs, link.applied.attributes) !== "all")
    return false;
  const carriers = node!.inputs.filter((input) =>
    all.some((from) => from.value === input && net.alive.has(input) && link.passes(from, place)),
  );
  return carriers.length > 1;
}
