/** Links: which axes a single node passes on from its inputs to its outputs, unit by unit. */

import type { Node } from "../graph/graph.ts";
import type { Axis, Channels } from "../ops/channels.ts";
import { applicationOf, type Application, type Traced } from "../passes/trace.ts";
import type { Place } from "./couple.ts";

export interface Link {
  readonly applied: Application;
  /** Whether a unit along `from` (of an input) is the unit along `to` (of an output). */
  readonly passes: (from: Place, to: Place) => boolean;
}

export type Links = ReadonlyMap<Node, Link>;

export const keyOf = (place: Place): string => `${place.axis}\0${place.value}`;

/** For every node, which axes of its inputs it passes on to which axes of its outputs, unit by unit. */
export function linksOf(traced: Traced): Links {
  const known = cache.get(traced);
  if (known) return known;
  const links = new Map<Node, Link>();
  for (const node of traced.graph.nodes) {
    const applied = applicationOf(traced, node);
    if (applied === undefined || !applied.op.hasChannels) continue;
    const parent = new Map<string, string>();
    const find = (key: string): string => {
      let at = key;
      for (let up = parent.get(at); up !== undefined; up = parent.get(at)) at = up;
      return at;
    };
    applied.op.channels(recorder(parent, find), applied.inputs, applied.outputs, applied.attributes);
    links.set(node, { applied, passes: (from, to) => find(keyOf(from)) === find(keyOf(to)) });
  }
  cache.set(traced, links);
  return links;
}

const cache = new WeakMap<Traced, Links>();

interface Token extends Axis {
  readonly key: string;
}

/** Records which axes a rule unites at all; parts of an axis count as the axis. */
function recorder(parent: Map<string, string>, find: (key: string) => string): Channels {
  const token = (key: string, length: number): Token => ({
    key,
    atoms: new Int32Array(0),
    block: 1,
    length,
    slice: (_from, count) => token(key, count),
    blocks: (size) => token(key, length / size),
    strided: (count) => token(key, count),
    pick: (positions) => token(key, positions.length),
  });
  return {
    axis(value, axis) {
      const own = axis < 0 ? axis + value.shape.length : axis;
      return token(keyOf({ value: value.name, axis: own }), value.shape[own]!);
    },
    same(first, ...others) {
      for (const other of others) {
        const [a, b] = [find((first as Token).key), find((other as Token).key)];
        if (a !== b) parent.set(a, b);
      }
    },
    freeze() {},
  };
}
