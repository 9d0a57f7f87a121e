/** Places: axes of values, and a union of them. */

import { applicationOf, type Application, type Traced } from "../../passes/trace.ts";
import { axesOf, type Axis, type Channels } from "../../ops/core/channels.ts";

/** An axis of a value. */
export interface AxisReference {
  readonly value: string;
  readonly axis: number;
}

export const keyOf = (place: AxisReference): string => `${place.axis}\0${place.value}`;

/** Sets of keys that grow together. */
export class Union {
  readonly #parent = new Map<string, string>();

  find(key: string): string {
    let at = key;
    for (let up = this.#parent.get(at); up !== undefined; up = this.#parent.get(at)) {
      const above = this.#parent.get(up);
      if (above !== undefined) this.#parent.set(at, above);
      at = up;
    }
    return at;
  }

  join(one: string, other: string): void {
    const [a, b] = [this.find(one), this.find(other)];
    if (a !== b) this.#parent.set(a, b);
  }
}

/**
 * A place as a rule sees it, without its atoms: `part` where the rule speaks of
 * something less than whole indices of it.
 */
export interface Token extends Axis {
  readonly key: string;
  readonly part: boolean;
  /** Which digit of the whole axis it is, where it is one. */
  readonly digitOf?: string;
}

function tokenOf(key: string, length: number, part: boolean, digitOf?: string): Token {
  const digit = (size: number, inner: number): Token =>
    size === length
      ? tokenOf(key, size, part, digitOf)
      : tokenOf(key, size, true, part ? undefined : `${size}:${inner}`);
  return {
    key,
    part,
    ...(digitOf !== undefined && { digitOf }),
    atoms: new Int32Array(0),
    block: 1,
    length,
    slice: (_from, count) => (count === length ? tokenOf(key, count, part, digitOf) : tokenOf(key, count, true)),
    blocks: (size) => digit(length / size, size),
    digit,
    pick: (positions) => tokenOf(key, positions.length, true),
  };
}

/** What a rule says, of places instead of atoms. */
export interface Listener {
  spoken?(key: string): void;
  same?(a: Token, b: Token): void;
  either?(lists: readonly (readonly Token[])[]): void;
  freeze?(token: Token): void;
  inexact?(token: Token): void;
}

/** Lets a listener hear what the rule of a node says. */
export function listen(applied: Application, listener: Listener): void {
  const c: Channels = {
    axis(value, axis) {
      const own = axis < 0 ? axis + value.shape.length : axis;
      const key = keyOf({ value: value.name, axis: own });
      listener.spoken?.(key);
      return tokenOf(key, value.shape[own]!, false);
    },
    same(first, ...others) {
      for (const other of others) listener.same?.(first as Token, other as Token);
    },
    either: (lists) => listener.either?.(lists.map((list) => axesOf(list) as Token[])),
    freeze: (axis) => listener.freeze?.(axis as Token),
    inexact: (axis) => listener.inexact?.(axis as Token),
  };
  applied.op.channels?.(c, applied.inputs, applied.outputs, applied.attributes);
}

/** Every node whose rule says how its axes couple. */
export function* ruled(traced: Traced): Generator<Application> {
  for (const node of traced.graph.nodes) {
    const applied = applicationOf(traced, node);
    if (applied?.op.channels) yield applied;
  }
}
