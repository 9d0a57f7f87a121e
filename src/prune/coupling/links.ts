/** Links: which axes a single node passes on from its inputs to its outputs, unit by unit. */

import type { Node } from "../../graph/graph.ts";
import type { Application, Traced } from "../../passes/trace.ts";
import { keyOf, listen, ruled, Union, type AxisReference } from "./axis-references.ts";

export interface Link {
  readonly applied: Application;
  /** Whether a unit along `from` (of an input) is the unit along `to` (of an output). */
  readonly passes: (from: AxisReference, to: AxisReference) => boolean;
}

export type Links = ReadonlyMap<Node, Link>;

/**
 * For every node, which axes of its inputs it passes on to which axes of its
 * outputs; parts of an axis count as the axis.
 */
export function linksOf(traced: Traced): Links {
  const links = new Map<Node, Link>();
  for (const applied of ruled(traced)) {
    const union = new Union();
    listen(applied, {
      same: (a, b) => union.join(a.key, b.key),
      either: (lists) => lists.forEach((list) => list.forEach((one) => union.join(list[0]!.key, one.key))),
    });
    links.set(applied.node, { applied, passes: (from, to) => union.find(keyOf(from)) === union.find(keyOf(to)) });
  }
  return links;
}
