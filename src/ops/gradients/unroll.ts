/** Recurrent layers step by step, by standard operators: what they are differentiated through. */

import { fail } from "../../graph/error.ts";
import type { Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";

/** What all recurrent layers read: X [T, N, I], W [D, G·H, I], R [D, G·H, H], B [D, 2·G·H], initial_h [D, N, H]. */
export interface Recurrence {
  readonly X: Value;
  readonly W: Value;
  readonly R: Value;
  readonly B?: Value | undefined;
  readonly sequence_lens?: Value | undefined;
  readonly initial_h?: Value | undefined;
}

/** One direction of a layer: its weights without the axis of directions. */
export interface Direction {
  readonly index: number;
  readonly R: Value;
  readonly Wb: Value | undefined;
  readonly Rb: Value | undefined;
}

/** Hidden state first, each [N, H]; `undefined` stands for zeros before the first step. */
export type State = readonly (Value | undefined)[];

export interface Cell {
  /** What is added to X Wᵀ of all steps at once. */
  readonly bias: Value | undefined;
  /** The next state from x = X Wᵀ + bias of one step, [N, G·H]. */
  readonly step: (x: Value, before: State) => readonly Value[];
}

/** Parts of an axis, the last unless another is given. */
export function split(g: Emit, x: Value, sizes: readonly number[], axis = x.shape.length - 1): readonly Value[] {
  return sizes.length === 1 ? [x] : g.many("Split", [x, g.ints(sizes)], { axis }, sizes.length);
}

export const repeated = (count: number, size: number): number[] => Array.from({ length: count }, () => size);

/** For each direction its part of a value whose first axis tells them apart. */
export function perDirection(g: Emit, value: Value | undefined, directions: number): readonly (Value | undefined)[] {
  if (value === undefined) return repeated(directions, 0).map(() => undefined);
  return split(g, value, repeated(directions, 1), 0).map((part) => g.reshaped(part, part.shape.slice(1)));
}

/** All steps of all directions: Y [T, D, N, H] and the last of each state, [D, N, H]. */
export function unroll(
  g: Emit,
  { X, W, R, B, sequence_lens }: Recurrence,
  direction: string,
  initial: State,
  cell: (one: Direction) => Cell,
): { readonly Y: Value; readonly last: readonly Value[] } {
  const [steps, batch, width] = X.shape as [number, number, number];
  const [directions, rows, hidden] = R.shape as [number, number, number];
  const [Ws, Rs, Bs] = [W, R, B].map((value) => perDirection(g, value, directions));
  const states = initial.map((value) => perDirection(g, value, directions));
  const lengths = sequence_lens && g.reshaped(sequence_lens, [batch, 1]);
  const flat = g.reshaped(X, [steps * batch, width]);
  const done = Ws!.map((weight, index) => {
    const [Wb, Rb] = Bs![index] ? split(g, Bs![index], [rows, rows]) : [];
    const { bias, step } = cell({ index, R: Rs![index]!, Wb, Rb });
    const xs = split(g, g.Gemm(flat, weight, bias, { transB: 1 }), repeated(steps, batch), 0);
    const ys: Value[] = [];
    let state: State = states.map((each) => each[index]);
    for (let n = 0; n < steps; n++) {
      const at = direction === "reverse" || index === 1 ? steps - 1 - n : n;
      const next = step(xs[at]!, state);
      if (lengths === undefined) [state, ys[at]] = [next, next[0]!];
      else {
        // Past its end a sequence keeps its state and puts out zeros; backwards it has not begun there.
        const running = g.Greater(lengths, g.scalar(at, lengths));
        const zero = g.scalar(0, X);
        ys[at] = g.Where(running, next[0], zero);
        state = next.map((value, i) => g.Where(running, value, state[i] ?? zero));
      }
    }
    if (lengths !== undefined) {
      // Of a sequence without steps the last state is zero in onnxruntime, whatever it starts with.
      const any = g.Greater(lengths, g.scalar(0, lengths));
      state = state.map((value) => g.Where(any, value, g.scalar(0, X)));
    }
    return {
      Y: g.reshaped(g.joined(ys, 0), [steps, 1, batch, hidden]),
      last: state.map((value) => g.reshaped(value!, [1, batch, hidden])),
    };
  });
  return {
    Y: g.joined(
      done.map(({ Y }) => Y),
      1,
    ),
    last: initial.map((_, i) =>
      g.joined(
        done.map(({ last }) => last[i]!),
        0,
      ),
    ),
  };
}

/** The sum of those that are there. */
export const added = (g: Emit, a: Value | undefined, b: Value | undefined): Value | undefined =>
  a && b ? g.Add(a, b) : (a ?? b);

/** before · Rᵀ + x; before the first step there is nothing to multiply. */
export const recurred = (g: Emit, before: Value | undefined, R: Value, x: Value): Value =>
  before ? g.Gemm(before, R, x, { transB: 1 }) : x;

export type Activate = (x: Value) => Value;

/** The activations of each direction, behind a clip where there is one. */
export function activationsOf(
  g: Emit,
  names: readonly string[] | undefined,
  defaults: readonly string[],
  clip: number | undefined,
  direction: number,
): readonly Activate[] {
  const own = names?.slice(direction * defaults.length, (direction + 1) * defaults.length) ?? defaults;
  return own.map((name, i) => {
    const found = (["Sigmoid", "Tanh", "Relu"] as const).find((one) => one.toLowerCase() === name.toLowerCase());
    if (found === undefined) fail("unsupported", `the gradient of its activation "${name}" is not known`);
    // The last of an LSTM's three is of the cell, which is not clipped.
    return (x) => g[found](clip === undefined || i === 2 ? x : g.Clip(x, g.scalar(-clip, x), g.scalar(clip, x)));
  });
}
