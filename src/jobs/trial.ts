/** A trial run: the types of values that no rule gives, from the runtime itself. */

import { SecateurError } from "../graph/error.ts";
import type { Found, Graph, Model, OpenDim } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { encodeForRuntime } from "../onnx/encode.ts";
import { firstSizes } from "../passes/choose-sizes.ts";
import { openAxes } from "../passes/dims.ts";
import { batchSymbol } from "../passes/stated.ts";
import type { Traced } from "../passes/trace.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { drawInputs } from "../prune/proof/draw.ts";
import { defaultRuntime } from "../runtime/default.ts";
import type { Runtime } from "../runtime/port.ts";
import type { RunOptions } from "../options/machine.ts";

/** A model with more open sizes has those beyond taken for fixed. */
const mostSymbols = 6;
/** Attempts to find the values that the runtime cannot return, such as sequences. */
const mostAttempts = 40;

/** The outputs of one run, by name. */
type Shapes = ReadonlyMap<string, Pick<Tensor, "dtype" | "shape">>;

/**
 * The model with the types of the values that no rule gives, as onnxruntime returns them: behind an operator
 * that is not known, in bodies of If and Loop. It runs a few times on random inputs, at other sizes of what is
 * open each time, so that what follows from these sizes is known of them. A model of which all types follow
 * from rules and from the file is returned as it is, and so is one that has been tried. Where it does not run,
 * the reasons of {@link inspect} say so.
 *
 * {@link inspect}, {@link plan}, {@link mask}, {@link cut} and {@link score} do this themselves, each time anew; a
 * model that is tried once is not run again.
 *
 * @throws SecateurError as {@link inspect} where sizes are missing
 */
export async function withTrial(model: Model, options: RunOptions = {}): Promise<Model> {
  const { graph } = model;
  if (graph.found !== undefined) return model;
  const traced = firstSizes(graph, options.shapes ?? {}).base;
  const wanted = traced.refusals.flatMap(({ node }) =>
    node.outputs.filter((name) => name !== "" && !traced.types.has(name)),
  );
  if (wanted.length === 0) return model;
  const { runtime = defaultRuntime(), threads, signal } = options;
  const found = await tryOut({ runtime, threads, signal }, model, traced, wanted);
  return { ...model, graph: { ...graph, found } };
}

/** What runs a model, and what ends it. */
interface Trial extends Pick<RunOptions, "threads" | "signal"> {
  readonly runtime: Runtime;
}

async function tryOut(trial: Trial, model: Model, traced: Traced, wanted: readonly string[]): Promise<Found> {
  const sizes = openSizes(traced);
  try {
    await shapesOf(trial, model, traced, [], 0);
  } catch (error) {
    if (!(error instanceof SecateurError) || error.code === "internal") throw error;
    return { types: new Map(), sizes, failed: error.message };
  }
  const { shapes: first, names } = await shapesOfAll(trial, model, traced, wanted);
  const more = (changed: readonly string[], by: (size: number) => number) =>
    new Map([...sizes].map(([symbol, size]) => [symbol, changed.includes(symbol) ? by(size) : size]));
  const at = (changed: readonly string[], by = (size: number) => size + 1): Traced => {
    const other = more(changed, by);
    const batch = other.get(batchSymbol) ?? 1;
    other.delete(batchSymbol);
    return analyse(model.graph, { batch, sizes: other }).traced;
  };
  const symbols = [...sizes.keys()].slice(0, mostSymbols);
  const others = new Map<string, Shapes>();
  for (const symbol of symbols) {
    const shapes = await unlessRefused(() => shapesOf(trial, model, at([symbol]), names, 0));
    if (shapes) others.set(symbol, shapes);
  }
  const open = [...others.keys()];
  const last = await unlessRefused(() => shapesOf(trial, model, at(open), names, 1));
  // Sizes that follow from what the values are differ with other values.
  const again = await unlessRefused(() => shapesOf(trial, model, traced, names, 2));
  // What a stride or a window rounds away shows itself where there is far more.
  const double = (size: number): number => 2 * size;
  const far: { readonly shapes: Shapes; readonly sizes: ReadonlyMap<string, number> }[] = [];
  for (const symbol of open) {
    const shapes = await unlessRefused(() => shapesOf(trial, model, at([symbol], double), names, 0));
    if (shapes) far.push({ shapes, sizes: more([symbol], double) });
  }
  const types: [string, { dtype: Tensor["dtype"]; shape: (number | OpenDim)[] }][] = [];
  for (const name of last && again ? names : []) {
    const [{ dtype, shape }, check] = [first.get(name)!, last!.get(name)!];
    if (again!.get(name)!.shape.join() !== shape.join()) continue;
    const ranks = [check, ...open.map((symbol) => others.get(symbol)!.get(name)!)].map((one) => one.shape.length);
    if (ranks.some((rank) => rank !== shape.length)) continue;
    const dims = shape.map((size, axis) =>
      fit(
        size,
        open.map((symbol) => [symbol, sizes.get(symbol)!, others.get(symbol)!.get(name)!.shape[axis]!]),
        check.shape[axis]!,
      ),
    );
    const holds = dims.every((dim, axis) =>
      far.every((one) => dim !== undefined && sizeAt(dim, one.sizes) === one.shapes.get(name)!.shape[axis]),
    );
    if (dims.every((dim) => dim !== undefined) && holds) types.push([name, { dtype, shape: dims }]);
  }
  return { types: new Map(types), sizes };
}

async function unlessRefused<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SecateurError && error.code !== "internal") return undefined;
    throw error;
  }
}

const sizeAt = (dim: number | OpenDim, sizes: ReadonlyMap<string, number>): number =>
  typeof dim === "number" ? dim : dim.symbols.reduce((all, symbol) => all * sizes.get(symbol)!, dim.times) + dim.plus;

/** The open sizes of a trace, by their symbols. */
function openSizes({ graph, symbols }: Traced): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { input, axis, symbol } of openAxes(graph))
    sizes.set(axis === 0 && input.shape![0] === "" ? batchSymbol : symbol, symbols.get(symbol)!);
  return sizes;
}

/**
 * A size as it follows from the open ones.
 *
 * @param seen for each of them what it was at first, and the size where it alone was one more
 * @param check the size where all were one more
 */
function fit(
  size: number,
  seen: readonly (readonly [symbol: string, was: number, then: number])[],
  check: number,
): number | OpenDim | undefined {
  const moving = seen.filter(([, , then]) => then !== size);
  if (moving.length === 0) return check === size ? size : undefined;
  const symbols = moving.map(([symbol]) => symbol);
  const [, was, then] = moving[0]!;
  const product = moving.reduce((all, [, one]) => all * one, 1);
  const times = moving.length === 1 ? then - size : size / product;
  const plus = moving.length === 1 ? size - times * was : 0;
  const grown = moving.reduce((all, [, one]) => all * (one + 1), times) + plus;
  const each = moving.every(([, one, other]) => other === (times * product * (one + 1)) / one + plus);
  return Number.isInteger(times) && each && grown === check ? { times, symbols, plus } : undefined;
}

/** The types of outputs and of more values, in one run. */
async function shapesOf(
  { runtime, threads, signal }: Trial,
  model: Model,
  traced: Traced,
  names: readonly string[],
  seed: number,
): Promise<Shapes> {
  const own = new Set(model.graph.outputs.map(({ name }) => name));
  const graph: Graph = { ...model.graph, info: new Map() };
  const bytes = encodeForRuntime(
    { ...model, graph },
    names.filter((name) => !own.has(name)),
  );
  const session = await runtime.load(bytes, { threads, signal, optimise: false });
  try {
    const results = await session.run(drawInputs(traced, seed));
    return new Map(names.map((name) => [name, results[name]!]));
  } finally {
    await session.dispose();
  }
}

/** The same, with those left out that the runtime does not return. */
async function shapesOfAll(
  trial: Trial,
  model: Model,
  traced: Traced,
  wanted: readonly string[],
): Promise<{ readonly shapes: Shapes; readonly names: readonly string[] }> {
  const shapes = new Map<string, Pick<Tensor, "dtype" | "shape">>();
  const pending = [wanted];
  for (let attempts = 0; pending.length > 0 && attempts < mostAttempts; attempts++) {
    const names = pending.pop()!;
    const found = await unlessRefused(() => shapesOf(trial, model, traced, names, 0));
    if (found) for (const [name, { dtype, shape }] of found) shapes.set(name, { dtype, shape });
    else if (names.length > 1) {
      const half = Math.ceil(names.length / 2);
      pending.push(names.slice(half), names.slice(0, half));
    }
  }
  return { shapes, names: [...shapes.keys()] };
}
