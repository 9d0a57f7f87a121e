/** At which sizes a graph with open axes is traced, and how far each of them can be another: found by trying. */

import { fail, SecateurError, option } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import { isFloat, type Shape } from "../graph/tensor.ts";
import { openAxes, symbolOf, type OpenAxis } from "./dims.ts";
import { lengthOf, manyElements, trace, type Traced } from "./trace.ts";

/** Sizes of open axes by their symbols. */
export type Sizes = ReadonlyMap<string, number>;

/** A batch and sizes that a graph can be traced at. */
export interface Setting {
  readonly batch: number;
  readonly sizes: Sizes;
}

export interface ChosenSizes {
  readonly sizes: Sizes;
  /**
   * The graph at these sizes and two batches, and at sizes that are others in one symbol
   * each, or in those that go together.
   */
  readonly traces: readonly Traced[];
  readonly otherSizes: readonly Sizes[];
  /** Axes that take no other size, with the reason. */
  readonly fixed: readonly (OpenAxis & { readonly size: number; readonly reason: string })[];
}

/** Image sizes first that networks are made for, then others that their strides divide. */
const planes = [224, 64, 32, 256, 128, 96, 384, 512, 16, 48, 299, 640, 1024, 28, 8];
const volumes = [32, 64, 16, 96, 128, 48, 24, 8];
const lengths = [16, 8, 12, 32, 24, 64, 7, 128, 100, 256, 400, 512, 1024, 3000, 16000, 1, 2, 4];
const batches = [2, 3, 4, 1] as const;
/** Sizes at which nodes are still refused are taken after as many. */
const mostTries = 4;
/** Nor are longer ones left for shorter ones more often. */
const mostLong = 12;

/** The next size of which every half, rounded down, is odd. */
const allOnes = (size: number): number => 2 ** Math.floor(Math.log2(size) + 1) - 1 || 1;

/**
 * What is tried to find other sizes: a little more or less, for what a stride or a window rounds away; more, for what
 * further strides do; and far more, for what is clipped.
 */
const steps = (size: number): readonly (readonly number[])[] => [
  [1, 3, -1, 2, 4, 8, 16, 32, 64],
  [allOnes(size) - size, size + 1, size, 2 * size, 64, 96, 128, 32, 16, 8, 7, 5, -Math.floor(size / 2)],
  [4096, 2048, 1024, 512, 256],
];

/**
 * @param shapes of inputs by name, as the user gives them
 * @throws SecateurError `bad-option` for shapes that do not fit. Also where no sizes are found that the graph runs at.
 */
export function chooseSizes(graph: Graph, shapes: Readonly<Record<string, Shape>>): ChosenSizes {
  const axes = openAxes(graph);
  const { firsts, further, sizes, batch, base } = firstSizes(graph, shapes);
  const attempt = (setting: Setting): Traced | string => {
    const found = tryTrace(graph, setting);
    if (typeof found === "string") return found;
    const worse = found.refusals.find(({ node }) => !base.refused.has(node));
    return worse ? worse.reason : found;
  };
  const other = [batch + 1, 2 * batch, 2 * batch + 2]
    .map((more) => attempt({ batch: more, sizes }))
    .find((found) => typeof found !== "string");
  const fixed: (OpenAxis & { size: number; reason: string })[] = [];
  if (firsts.size > 0 && other === undefined) {
    const reason = attempt({ batch: batch + 1, sizes });
    for (const axis of axes) if (firsts.has(axis.symbol)) fixed.push({ ...axis, size: batch, reason: String(reason) });
  }
  const moved = moveEach(further, sizes, (others) => attempt({ batch, sizes: others }));
  for (const axis of further) {
    const reason = moved.stuck.get(axis.symbol);
    if (reason !== undefined) fixed.push({ ...axis, size: sizes.get(axis.symbol)!, reason });
  }
  const traces = [base, ...(other === undefined || typeof other === "string" ? [] : [other])];
  return {
    sizes,
    otherSizes: moved.found.map((one) => one.sizes),
    traces: [...traces, ...moved.found.map((one) => one.traced)],
    fixed,
  };
}

/** The first sizes that a graph can be traced at, and its trace there. */
export function firstSizes(graph: Graph, shapes: Readonly<Record<string, Shape>>) {
  const axes = openAxes(graph);
  const firsts = new Set(axes.filter(({ axis }) => axis === 0).map(({ symbol }) => symbol));
  const further = axes.filter(({ symbol }) => !firsts.has(symbol));
  const given = givenSizes(graph, shapes, new Set(further.map(({ symbol }) => symbol)));
  return { firsts, further, ...firstThatTraces(graph, further, given) };
}

function tryTrace(graph: Graph, setting: Setting): Traced | string {
  try {
    return trace(graph, setting);
  } catch (error) {
    if (error instanceof SecateurError) return error.message;
    throw error;
  }
}

/** The sizes that the given shapes say. */
function givenSizes(
  { inputs }: Graph,
  shapes: Readonly<Record<string, Shape>>,
  symbols: ReadonlySet<string>,
): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const input of inputs) {
    const shape = shapes[input.name];
    if (shape === undefined || input.shape === undefined) continue;
    const [declared, stated] = [input.shape, shape].map((dims) => dims.join(", "));
    if (
      shape.length !== input.shape.length ||
      input.shape.some((dim, i) => i > 0 && typeof dim === "number" && dim !== shape[i])
    )
      fail("bad-option", `input "${input.name}" is [${declared}], which the given [${stated}] does not fit`);
    input.shape.forEach((dim, axis) => {
      if (typeof dim === "number") return;
      const symbol = symbolOf(input, axis, dim);
      const known = sizes.get(symbol);
      if (known !== undefined && known !== shape[axis])
        fail("bad-option", `the given shapes say that "${symbol}" is ${known}, and that it is ${shape[axis]}`);
      if (symbols.has(symbol)) sizes.set(symbol, shape[axis]!);
    });
  }
  return sizes;
}

/** The sizes that are tried for an axis, in their order. */
function candidatesOf({ input }: OpenAxis): readonly number[] {
  const open = input.shape!.filter((dim, axis) => axis > 0 && typeof dim === "string").length;
  if (!isFloat(input.dtype) || input.shape!.length < 4 || open < 2) return lengths;
  return input.shape!.length === 4 ? planes : volumes;
}

const isLong = (traced: Traced): boolean => lengthOf(traced) > manyElements;

function firstThatTraces(
  graph: Graph,
  axes: readonly OpenAxis[],
  given: Sizes,
): { readonly sizes: Sizes; readonly batch: number; readonly base: Traced } {
  let reason: string | undefined;
  const free = axes.filter(({ symbol }) => !given.has(symbol));
  const open = openAxes(graph).some(({ axis }) => axis === 0);
  const found: { sizes: Sizes; batch: number; base: Traced }[] = [];
  for (const sizes of assignments(free, given)) {
    for (const batch of open ? batches : [1]) {
      const base = tryTrace(graph, { batch, sizes });
      if (typeof base === "string") {
        reason ??= base;
        continue;
      }
      found.push({ sizes, batch, base });
      break;
    }
    // At other sizes it may be that less is refused, and at smaller ones that there is less to couple.
    const last = found.at(-1);
    if (last?.base.refusals.length === 0 && !isLong(last.base)) break;
    if (found.filter(({ base }) => !isLong(base)).length === mostTries || found.length === mostLong) break;
  }
  const [best] = found.toSorted(
    (a, b) => a.base.refusals.length - b.base.refusals.length || Number(isLong(a.base)) - Number(isLong(b.base)),
  );
  if (best) return best;
  if (free.length === 0) {
    // There is nothing to choose: what is wrong with the file is told as it is.
    const only = { batch: open ? batches[0]! : 1, sizes: given };
    return { ...only, base: trace(graph, only) };
  }
  const { name, shape } = free[0]!.input;
  const wanted = { [name]: shape!.map((dim) => (typeof dim === "number" ? dim : "N")) };
  fail(
    "bad-option",
    `no sizes were found for the open axes of ${[...new Set(free.map(({ input }) => shown(input)))].join(", ")} ` +
      `that go together (${reason}); give them by ${option("shapes", wanted)}`,
  );
}

const shown = ({ name, shape }: ValueInfo): string =>
  `"${name}" [${shape!.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;

/**
 * Axes at the same place of inputs of one form, as the keys and values of all layers
 * have, in one list; others one by one.
 */
function kindsOf(axes: readonly OpenAxis[]): (readonly string[])[] {
  const kinds = new Map<string, Set<string>>();
  for (const { input, axis, symbol } of axes) {
    const form = input.shape!.map((dim) => (typeof dim === "number" ? dim : "?"));
    // Equal names are equal sizes, whatever the form.
    const own = form.length < 3 ? symbol : "";
    const key = [...kinds].find(([, symbols]) => symbols.has(symbol))?.[0] ?? [input.dtype, axis, own, ...form].join();
    kinds.set(key, (kinds.get(key) ?? new Set()).add(symbol));
  }
  return [...kinds.values()].map((symbols) => [...symbols]);
}

/** All alike first, then with one kind as long as two others together, as a mask over past and present is. */
function* assignments(axes: readonly OpenAxis[], given: Sizes): Generator<Sizes> {
  if (axes.length === 0) {
    yield given;
    return;
  }
  const lists = new Map(axes.map((axis) => [axis.symbol, candidatesOf(axis)]));
  const most = Math.max(...[...lists.values()].map((list) => list.length));
  const at = (list: readonly number[], i: number): number => list[Math.min(i, list.length - 1)]!;
  const alike = (i: number): Map<string, number> =>
    new Map([...given, ...[...lists].map(([symbol, list]) => [symbol, at(list, i)] as const)]);
  const kinds = kindsOf(axes);
  const known = kindsOf(axes.filter(({ symbol }) => given.has(symbol)));
  for (let i = 0; i < most; i++) {
    yield alike(i);
    if (i > 2 || kinds.length + known.length + given.size < 2 || kinds.length > 6) continue;
    const distinct = alike(i);
    kinds.forEach((symbols, k) => symbols.forEach((symbol) => distinct.set(symbol, distinct.get(symbol)! + k)));
    yield distinct;
    const sizes = [...kinds.map(([symbol]) => distinct.get(symbol!)!), ...given.values()];
    for (const [k, symbols] of kinds.entries())
      for (const [p, one] of sizes.entries())
        for (const [q, two] of [...sizes.entries(), [sizes.length, 1] as const]) {
          if (p >= q || p === k || q === k) continue;
          const summed = new Map(distinct);
          for (const symbol of symbols) summed.set(symbol, one + two);
          yield summed;
        }
  }
}

/** For each symbol, sizes in which it is another, alone or with those that it goes together with. */
function moveEach(
  axes: readonly OpenAxis[],
  sizes: Sizes,
  attempt: (sizes: Sizes) => Traced | string,
): { readonly found: readonly { sizes: Sizes; traced: Traced }[]; readonly stuck: ReadonlyMap<string, string> } {
  const found: { sizes: Sizes; traced: Traced }[] = [];
  const moved = new Set<string>();
  const stuck = new Map<string, string>();
  /** Moves all of some symbols by as much; tells whether that can be done. */
  const move = (symbols: readonly string[]): string | undefined => {
    let reason: string | undefined;
    let first: number | undefined;
    for (const [i, list] of steps(sizes.get(symbols[0]!)!).entries()) {
      // At large sizes less is known of what follows from them, so that nothing may
      // contradict them where small ones do not fit.
      if (i > 0 && first === undefined) break;
      for (const step of list) {
        if (step === first || symbols.some((symbol) => sizes.get(symbol)! + step < 1)) continue;
        const others = new Map(sizes);
        for (const symbol of symbols) others.set(symbol, sizes.get(symbol)! + step);
        const traced = attempt(others);
        if (typeof traced === "string") {
          reason ??= traced;
          continue;
        }
        first ??= step;
        found.push({ sizes: others, traced });
        for (const symbol of symbols) moved.add(symbol);
        break;
      }
    }
    return first === undefined ? (reason ?? "no other size is possible") : undefined;
  };
  const kinds = kindsOf(axes);
  for (const symbols of kinds)
    for (const [i, symbol] of symbols.entries()) {
      if (moved.has(symbol)) continue;
      const reason = move([symbol]);
      if (reason === undefined) continue;
      const rest = kinds.filter((kind) => kind !== symbols);
      const companies = [
        ...(symbols.length > 1 ? [symbols] : []),
        ...rest.map((kind) => [symbol, ...kind]),
        ...(symbols.length > 1 ? rest.map((kind) => [...symbols, ...kind]) : []),
        ...(kinds.length > 2 ? [kinds.flat()] : []),
      ];
      if (!companies.some((company) => move(company) === undefined)) {
        stuck.set(symbol, reason);
        // Where one of a kind can not move, not even with all others, the others of it can not.
        for (const other of symbols.slice(i + 1)) if (!moved.has(other)) stuck.set(other, reason);
        break;
      }
    }
  for (const symbol of moved) stuck.delete(symbol);
  return { found, stuck };
}
