/** Other places for gates than where they remove a unit: what criteria have been measured at. */

import type { GatePlace } from "../../options/ranking.ts";
import { fail, option } from "../../graph/error.ts";
import { isFloat } from "../../graph/tensor.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Link } from "../coupling/links.ts";
import { keyOf, type AxisReference } from "../coupling/axis-references.ts";

type Gates = ReadonlyMap<string, readonly AxisReference[]>;

/**
 * The gates of each group elsewhere. Gates that cannot stand there stay where they
 * are; an error where that is all of them.
 */
export function moveGates(analysis: Analysis, gates: Gates, at: GatePlace): Map<string, readonly AxisReference[]> {
  if (at === "after-bn") return new Map(gates);
  const move = movers[at](analysis);
  const moved = new Map(
    analysis.groups.map(({ name, axes: places }) => [name, unique(move(gates.get(name)!, places))] as const),
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

type Move = (gates: readonly AxisReference[], all: readonly AxisReference[]) => readonly AxisReference[];

const movers: Readonly<Record<Exclude<GatePlace, "after-bn">, (analysis: Analysis) => Move>> = {
  "before-bn": (analysis) => (gates, all) => gates.flatMap((place) => before(analysis, place, all)),
  "after-activation": (analysis) => (gates, all) => gates.map((place) => forward(analysis, place, all)),
  residual: (analysis) => (gates, all) => {
    const sums = all.filter((place) => isSum(analysis, place, all));
    return sums.length === 0 ? gates : sums.map((place) => forward(analysis, place, all));
  },
};

/** In front of the operator that a gate stands behind, where that operator keeps statistics of what it normalises. */
function before(analysis: Analysis, place: AxisReference, all: readonly AxisReference[]): readonly AxisReference[] {
  const node = analysis.producers.get(place.value);
  const link = node && analysis.links.get(node);
  if (link?.applied.op.training?.states === undefined) return [place];
  const from = all.filter(
    (one) => analysis.activations.has(one.value) && node!.inputs.includes(one.value) && link.passes(one, place),
  );
  return from.length > 0 ? from : [place];
}

/**
 * Gates as far on as a factor on the unit stays the same factor. A gate's gradient and its own second derivative stay
 * what they are. Less has to be read for them, and nothing that lies before has to be differentiated.
 *
 * @param everything whether all parameters are differentiated too: gates then stay behind an
 * operator whose own sums tell their gradient
 */
export function passGates(analysis: Analysis, gates: Gates, everything = false): Map<string, readonly AxisReference[]> {
  const stays = ({ value, axis }: AxisReference): boolean =>
    everything && axis === 1 && analysis.links.get(analysis.producers.get(value)!)?.applied.op.gate !== undefined;
  const pass = (place: AxisReference, all: readonly AxisReference[]): AxisReference =>
    stays(place) ? place : forward(analysis, place, all, ({ applied }) => applied.op.homogeneous === true);
  return new Map(
    analysis.groups.map(({ name, axes: places }) => [
      name,
      unique(gates.get(name)!.map((place) => pass(place, places))),
    ]),
  );
}

/** As far on as the unit is handed by operators that read nothing else and whose output is zero where the unit is. */
function forward(
  analysis: Analysis,
  start: AxisReference,
  all: readonly AxisReference[],
  passable: (link: Link) => boolean = () => true,
): AxisReference {
  let place = start;
  for (;;) {
    const [reader, ...others] = analysis.readers.get(place.value) ?? [];
    const link = reader && analysis.links.get(reader);
    if (link === undefined || others.length > 0 || !passable(link) || readsMore(analysis, link, place, all))
      return place;
    const next = all.filter(
      (to) => analysis.activations.has(to.value) && reader!.outputs.includes(to.value) && link.passes(place, to),
    );
    if (next.length !== 1) return place;
    place = next[0]!;
  }
}

function readsMore(
  analysis: Analysis,
  { applied, passes }: Link,
  place: AxisReference,
  all: readonly AxisReference[],
): boolean {
  if (applied.op.zero?.(applied.inputs, applied.attributes) === undefined) return true;
  return applied.inputs.some(
    (input) =>
      input !== undefined &&
      input.name !== place.value &&
      isFloat(input.dtype) &&
      (analysis.activations.has(input.name) || all.some((one) => one.value === input.name && passes(one, place))),
  );
}

/** Whether a value is the sum of several activations that all carry the unit. */
function isSum(analysis: Analysis, place: AxisReference, all: readonly AxisReference[]): boolean {
  const node = analysis.producers.get(place.value);
  const link = node && analysis.links.get(node);
  if (link === undefined || link.applied.op.zero?.(link.applied.inputs, link.applied.attributes) !== "all")
    return false;
  const carriers = node!.inputs.filter((input) =>
    all.some((from) => from.value === input && analysis.activations.has(input) && link.passes(from, place)),
  );
  return carriers.length > 1;
}
