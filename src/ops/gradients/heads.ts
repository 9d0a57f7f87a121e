/** Heads: a width as heads × places, on axes of their own or written as one axis. */

import { fail } from "../../graph/error.ts";
import type { Axis, Channels } from "../core/channels.ts";
import type { Remaining, Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";

/** [batch, heads, tokens, places], or [batch, tokens, heads · places]. */
export interface Heads {
  /** Whether heads and places are one axis. */
  readonly joined: boolean;
  readonly batch: number;
  readonly count: number;
  readonly tokens: number;
  /** Places of one head. */
  readonly width: number;
}

/**
 * @param stated how many heads the node says that there are, which counts where they are no axis of their own
 * @throws SecateurError where that does not fit
 */
export function headsOf({ name, shape }: Value, stated: number): Heads {
  if (shape.length === 4) {
    const [batch, count, tokens, width] = shape as [number, number, number, number];
    return { joined: false, batch, count, tokens, width };
  }
  const [batch, tokens, all] = shape as [number, number, number];
  if (shape.length !== 3 || stated < 1 || all % stated !== 0)
    fail("bad-model", `"${name}" [${shape.join(", ")}] does not divide into ${stated} heads`);
  return { joined: true, batch, count: stated, tokens, width: all / stated };
}

/** Heads one by one. */
export const headAxis = (c: Channels, x: Value, { joined, count, width }: Heads): Axis =>
  joined ? c.axis(x, 2).digit(count, width) : c.axis(x, 1);

/** Runs of `size` neighbouring heads. */
export const headRuns = (c: Channels, x: Value, { joined, count, width }: Heads, size: number): Axis =>
  joined ? c.axis(x, 2).digit(count / size, size * width) : c.axis(x, 1).blocks(size);

/** The same head of every such run. */
export const headsOfRuns = (c: Channels, x: Value, { joined, width }: Heads, size: number): Axis =>
  c.axis(x, joined ? 2 : 1).digit(size, joined ? width : 1);

/** The same place of every head. */
export const placeAxis = (c: Channels, x: Value, { joined, width }: Heads): Axis =>
  joined ? c.axis(x, 2).digit(width, 1) : c.axis(x, 3);

/** What is left of the heads after a cut. */
export function remainingHeads(
  remaining: Remaining,
  x: Value,
  { joined, width }: Heads,
): { count: number; width: number } {
  if (!joined) return { count: remaining.axis(x, 1).length, width: remaining.axis(x, 3).length };
  const left = remaining.axis(x, 2);
  const count = new Set(left.map((i) => Math.floor(i / width))).size;
  return { count, width: left.length / count };
}

/** The value as [batch, heads, tokens, places]. */
export const apart = (g: Emit, x: Value, { joined, batch, tokens, count, width }: Heads): Value =>
  joined ? g.transposed(g.reshaped(x, [batch, tokens, count, width]), [0, 2, 1, 3]) : x;

/** The value of [batch, heads, tokens, places] in the form of others. */
export const together = (g: Emit, x: Value, { joined, batch, tokens }: Heads): Value =>
  joined ? g.reshaped(g.transposed(x, [0, 2, 1, 3]), [batch, tokens, x.shape[1]! * x.shape[3]!]) : x;
