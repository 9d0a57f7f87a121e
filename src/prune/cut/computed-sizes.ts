/** Sizes that the graph computes, of axes that lose units. */

import { fail } from "../../graph/error.ts";
import { describe, type Node } from "../../graph/graph.ts";
import { tensor, toNumbers, type Tensor } from "../../graph/tensor.ts";
import type { Traced } from "../../passes/trace.ts";

/** A list of sizes before and after a removal, at one setting of the open sizes. */
export interface SizesAt {
  readonly before: Tensor;
  readonly after: Tensor;
}

/** Steps that make the sizes after a removal of those before it, in their order. */
export type Steps = readonly { readonly op: "Add" | "Mul" | "Div"; readonly by: Tensor }[];

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/**
 * Entry by entry, the same number less, or the same share, whichever holds at all settings: heads that are
 * folded into the batch are a share of it.
 *
 * @throws SecateurError `unsupported` where neither holds
 */
export function stepsTo(node: Node, seen: readonly SizesAt[]): Steps {
  const lists = seen.map(({ before, after }) => [toNumbers(before), toNumbers(after)] as const);
  const shape = seen[0]!.before.shape;
  const same = seen.every(({ before, after }) => before.shape.join() === after.shape.join());
  const refuse = (): never =>
    fail("unsupported", `${describe(node)}: how the sizes that it reads follow from what is removed is not known`);
  if (!same || seen.some(({ before }) => before.dtype !== "int64" || before.shape.join() !== shape.join())) refuse();
  const [add, mul, div] = [0, 1, 1].map((neutral) => lists[0]![0].map(() => neutral)) as [number[], number[], number[]];
  lists[0]![0].forEach((old, i) => {
    const now = lists[0]![1][i]!;
    if (lists.every(([before, after]) => now - old === after[i]! - before[i]!)) {
      add[i] = now - old;
      return;
    }
    const common = greatestDivisor(Math.abs(old), Math.abs(now)) || 1;
    [mul[i], div[i]] = [now / common, old / common];
    const isShare = lists.every(([before, after]) => {
      const [from, to] = [before[i]!, after[i]!];
      return from * now === to * old;
    });
    if (!isShare) refuse();
  });
  const steps = [
    { op: "Add", list: add, neutral: 0 },
    { op: "Mul", list: mul, neutral: 1 },
    { op: "Div", list: div, neutral: 1 },
  ] as const;
  return steps
    .filter(({ list, neutral }) => list.some((n) => n !== neutral))
    .map(({ op, list }) => ({ op, by: tensor("int64", shape, list) }));
}

/**
 * Sizes that are joined of several lists, where only such change as are constants: the lists, with what they are after
 * the removal. `undefined` where others change too, or otherwise at other settings.
 */
export function restated(
  { types, graph }: Traced,
  joined: Node | undefined,
  seen: readonly SizesAt[],
): (string | Tensor)[] | undefined {
  const isPlain = seen.every(({ before }) => before.dtype === "int64");
  if (joined?.op !== "Concat" || joined.domain !== "" || !isPlain) return undefined;
  const lists = seen.map(({ before, after }) => [toNumbers(before), toNumbers(after)] as const);
  const [[old, now]] = lists as [(typeof lists)[0]];
  let from = 0;
  let others = false;
  const parts = joined.inputs.map((name) => {
    const to = from + (types.get(name)?.shape[0] ?? NaN);
    const at = Array.from({ length: to - from }, (_, i) => from + i);
    from = to;
    if (lists.every(([before, after]) => at.every((i) => before[i] === after[i]))) return name;
    others ||= !graph.initializers.has(name) || lists.some(([, after]) => at.some((i) => after[i] !== now[i]));
    return tensor(
      "int64",
      [at.length],
      at.map((i) => now[i]!),
    );
  });
  return others || from !== old.length ? undefined : parts;
}

/** Which indices of an axis stay, where the axis is as long as open sizes say. */
export interface Pattern {
  /** Whether each of some indices stays. */
  readonly keep: readonly boolean[];
  /**
   * Whether the list stands for the axis as a whole, each entry for as many indices as it takes; else it is repeated.
   */
  readonly stretched: boolean;
}

/** The shortest list that, each entry repeated `inner` times and the whole as often as it takes, makes a longer one. */
function shortest(list: readonly boolean[]): { readonly keep: readonly boolean[]; readonly inner: number } {
  let inner = list.length;
  for (let i = 1; i < list.length; i++) if (list[i] !== list[i - 1]) inner = greatestDivisor(inner, i);
  const entries = list.filter((_, i) => i % inner === 0);
  const period = entries.findIndex(
    (_, i) => i > 0 && entries.length % i === 0 && entries.every((entry, k) => entry === entries[k % i]),
  );
  return { keep: period < 0 ? entries : entries.slice(0, period), inner };
}

/**
 * The pattern of what stays along an axis of different lengths.
 *
 * @throws SecateurError `unsupported` where what stays of different lengths is no such pattern
 */
export function patternOf(node: Node, seen: readonly (readonly boolean[])[]): Pattern {
  const short = seen.map(shortest);
  const [{ keep, inner }] = short as [ReturnType<typeof shortest>];
  if (short.every((one) => one.keep.join() === keep.join())) {
    if (short.every((one) => one.inner === inner))
      return { keep: keep.flatMap((one) => Array.from({ length: inner }, () => one)), stretched: false };
    const times = seen.map((list, i) => list.length / keep.length / short[i]!.inner);
    if (times.every((one) => one === times[0]))
      return { keep: Array.from({ length: times[0]! }, () => keep).flat(), stretched: true };
  }
  fail(
    "unsupported",
    `${describe(node)}: what is removed of its output follows from open sizes in a way that is not known`,
  );
}
