/** Gates: the places where a factor z = 1 on a unit's activations would remove the unit if it were 0. */

import type { Node } from "../../graph/graph.ts";
import { isFloat } from "../../graph/tensor.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { keyOf, type AxisReference } from "../coupling/axis-references.ts";
import { byValue } from "../coupling/producers.ts";
import type { Group } from "../coupling/groups.ts";
import type { Link } from "../coupling/links.ts";
import { moveGates } from "./gate-places.ts";
import type { GatePlace } from "../../options/ranking.ts";

/**
 * The gates of every group: the fewest activations that must be zero along a unit for every reader to read zeros. An
 * activation that is zero because an earlier gate is (behind a Relu, an addition, a pool) needs none. Of a chain such
 * as Conv and BatchNormalization only the last bears one, so that a gate stands after BatchNormalization by default.
 * What a unit does inside an operator that reads again what it puts out is no activation of the graph: there the factor
 * is on what the operator masks inside (`maskInside`).
 *
 * @param at where a criterion wants to measure; only `after-bn` gates remove a unit wherever it acts
 * @throws SecateurError `unsupported` where no gate of the graph can stand there
 */
export function findGates(analysis: Analysis, at: GatePlace = "after-bn"): Map<string, readonly AxisReference[]> {
  const order = new Map(analysis.graph.nodes.map((node, i) => [node, i]));
  return moveGates(
    analysis,
    new Map(analysis.groups.map((group) => [group.name, gatesOf(analysis, order, group)])),
    at,
  );
}

function gatesOf(analysis: Analysis, order: ReadonlyMap<Node, number>, group: Group): readonly AxisReference[] {
  const { activations, producers, elementReaders, links } = analysis;
  const carriers = group.axes.filter(({ value }) => activations.has(value));
  const places = byValue(carriers);
  const counting = new Set(group.counting);
  const computed = [...places.keys()]
    .flatMap((name) => {
      const node = producers.get(name);
      return node ? [{ name, node }] : [];
    })
    .sort((a, b) => order.get(a.node)! - order.get(b.node)!);
  const implied = new Set<string>();
  const exposed = new Set<string>();
  for (const { name, node } of computed) {
    const link = links.get(node);
    if (link) for (const place of places.get(name)!) if (isImplied(link, place, places)) implied.add(keyOf(place));
  }
  // From the last reader back: who is read by something that does not pass the unit on, directly or through zeros?
  for (const { name } of computed.toReversed()) {
    for (const place of places.get(name)!) {
      const seen = (elementReaders.get(name) ?? []).some((reader) => {
        const link = links.get(reader);
        // All that a reader which counts puts out depends on each unit.
        if (link === undefined || counting.has(reader)) return true;
        const onward = reader.outputs.flatMap((output) =>
          (places.get(output) ?? []).filter((to) => link.passes(place, to)),
        );
        return onward.length === 0 || onward.some((to) => implied.has(keyOf(to)) && exposed.has(keyOf(to)));
      });
      if (seen) exposed.add(keyOf(place));
    }
  }
  const names = new Set(computed.map(({ name }) => name));
  return carriers.filter((place) => names.has(place.value) && exposed.has(keyOf(place)) && !implied.has(keyOf(place)));
}

/** Whether an activation is zero because what it is computed from is. */
function isImplied(
  { applied, passes }: Link,
  place: AxisReference,
  carriers: ReadonlyMap<string, readonly AxisReference[]>,
): boolean {
  const rule = applied.op.zero?.(applied.inputs, applied.attributes);
  if (rule === undefined) return false;
  const carries = (input: Value | undefined): boolean =>
    input !== undefined && (carriers.get(input.name) ?? []).some((from) => passes(from, place));
  const inputs = applied.inputs.filter((input) => input !== undefined && isFloat(input.dtype));
  return rule === "any" ? inputs.some(carries) : inputs.every(carries);
}
