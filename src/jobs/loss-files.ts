/** Losses of files, made ready: read, checked against model and data, and written for any batch. */

import type { Batch } from "../data/batches.ts";
import { executable } from "../execute/executable.ts";
import { findTarget, namedInputs, targetFeeds } from "../execute/feeds.ts";
import { openGraph } from "../execute/opened.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph, Model, ValueInfo } from "../graph/graph.ts";
import { take, toNumbers, type Shape, type Tensor } from "../graph/tensor.ts";
import { finishGraph } from "../objective/backward.ts";
import { fileTermsOf, nameOfFile, targetOfInput } from "../objective/loss-file.ts";
import { meanOf } from "../objective/losses/statistics.ts";
import { appendTerms, failOther } from "../objective/objective.ts";
import { inputNameOf } from "../objective/terms.ts";
import type { Value } from "../ops/core/define.ts";
import { valueIn } from "../ops/emitter.ts";
import { lossesOf, type FileLoss, type Loss, type LossSettings } from "../options/loss.ts";
import { renamed } from "../passes/branches.ts";
import { symbolOf } from "../passes/dims.ts";
import { normalise } from "../passes/normalise.ts";
import { stableLogs } from "../passes/stable-logs.ts";
import { widen } from "../passes/widen.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import type { Runtime, Tensors } from "../runtime/port.ts";
import { firstAnswers, type Asked } from "./first-answers.ts";
import { readModel } from "./reader.ts";

/** What a loss can be joined to: the model, and a minibatch of the data with what the model makes of it. */
interface Place {
  /** In float32. */
  readonly graph: Graph;
  readonly batchSize: number;
  readonly first?: Minibatch;
}

/** Some samples of the data, and what the model makes of them. */
interface Minibatch {
  readonly batch: Batch;
  readonly answers: Tensors;
}

/**
 * The loss with each of its files read, and checked against the model and a minibatch.
 *
 * @param graph the model with an open batch
 * @throws SecateurError `io` and `bad-model` for what cannot be read, `bad-option` for what does not fit
 */
export async function settleFiles(runtime: Runtime, graph: Graph, loss: Loss, asked: Asked): Promise<Loss> {
  const list = lossesOf(loss);
  if (!list.some(({ kind }) => kind === "file")) return loss;
  const wide = widen(graph);
  const first = asked.data && (await firstAnswers(runtime, wide, asked.data, asked));
  const place: Place = { graph: wide, batchSize: first?.batch.size ?? asked.batchSize, ...(first && { first }) };
  const settled: LossSettings[] = [];
  for (const item of list) settled.push(item.kind === "file" ? await settleFile(runtime, item, place, asked) : item);
  return settled;
}

async function settleFile(runtime: Runtime, asked: FileLoss, place: Place, machine: Asked): Promise<LossSettings> {
  const { file, model: given } = asked;
  if (given === undefined && file === undefined)
    fail("bad-option", 'a loss of the kind "file" takes the path of a file, or a model');
  const model = given ?? (await readModel(file!));
  if (!Array.isArray((model as Partial<Model>).graph?.nodes))
    fail("bad-option", "the model of a loss is what load gives for its file");
  const name = nameOfFile({ ...asked, model });
  const wide = widen(model.graph);
  if (wide.outputs.length !== 1)
    fail(
      "bad-option",
      `the loss "${name}" gives ${listed(wide.outputs.map((output) => output.name))}; a loss gives one number for ` +
        "each sample, or one for all of them",
    );
  const named = nameTargets(name, wide, place);
  const shapes = shapesOf(name, named, place);
  const { graph, fixed } = await openGraph(runtime, normalise(named, { shapes }), machine);
  if (fixed && fixed.batch !== place.batchSize)
    fail(
      "bad-option",
      `the loss "${name}" is fixed to ${fixed.batch} samples (${fixed.why}): export it with an open batch, or use ` +
        option("batchSize", fixed.batch),
    );
  const settled = { ...model, graph: stableLogs(withSizes(graph, shapes)) };
  const { weight, isApart } = asked;
  const ready = { kind: "file", file: name, model: settled, ...(weight !== undefined && { weight }) } as const;
  const found = fixed === undefined && (await isApartOn(runtime, ready, place, machine));
  return { ...ready, isApart: isApart ?? found };
}

const listed = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

/** The graph with inputs that say what they take: those that take targets are called `target` or `target/NAME`. */
function nameTargets(file: string, loss: Graph, { graph, first }: Place): Graph {
  const outputs = graph.outputs.map(({ name }) => name);
  const inputs = graph.inputs.map(({ name }) => name);
  const names = new Map<string, string>();
  for (const { name } of loss.inputs) {
    const target = targetOfInput(name);
    if (outputs.includes(name) || (target === undefined && inputs.includes(name))) continue;
    const wanted = target ?? name;
    if (first && findTarget(first.batch, { name: wanted }) === undefined)
      fail(
        "bad-option",
        `the loss "${file}" takes "${name}": the model's outputs are ${listed(outputs)}, its inputs ` +
          `${listed(inputs)}, and the data has ${toldTargets(first.batch)}`,
      );
    names.set(name, inputNameOf("target", wanted));
  }
  if (loss.inputs.every(({ name }) => !outputs.includes(name)))
    fail("bad-option", `the loss "${file}" takes none of the model's outputs, which are ${listed(outputs)}`);
  return withNames(loss, names);
}

function toldTargets({ target, targets = {} }: Batch): string {
  const names = Object.keys(targets);
  if (names.length > 0) return `the targets ${listed(names)}`;
  return target ? 'one target, "target"' : "no targets";
}

/** The graph with some of its inputs called otherwise. */
const withNames = (graph: Graph, names: ReadonlyMap<string, string>): Graph => ({
  ...graph,
  inputs: graph.inputs.map((input) => ({ ...input, name: names.get(input.name) ?? input.name })),
  outputs: graph.outputs.map((output) => ({ ...output, name: names.get(output.name) ?? output.name })),
  nodes: graph.nodes.map((node) => renamed(node, names)),
});

/** The shapes of all inputs: of what the model gives, and of targets as a minibatch has them. */
function shapesOf(file: string, loss: Graph, { graph, batchSize, first }: Place): Record<string, Shape> {
  const { types } = analyse(graph, { batch: batchSize }).traced;
  const found = loss.inputs.flatMap(({ name, shape }): [string, Shape][] => {
    const target = targetOfInput(name);
    const value = target === undefined ? undefined : first && findTarget(first.batch, { name: target });
    const own = target === undefined ? (first?.answers[name]?.shape ?? types.get(name)?.shape) : value?.shape;
    if (own === undefined) return [];
    const fits =
      shape === undefined ||
      (shape.length === own.length && shape.every((dim, i) => i === 0 || typeof dim === "string" || dim === own[i]));
    if (!fits)
      fail(
        "bad-option",
        `the loss "${file}" takes "${name}" as [${shape.join(", ")}], and ` +
          `${target === undefined ? "the model" : "the data"} gives [${own.join(", ")}]: export it for these shapes`,
      );
    return [[name, own]];
  });
  return Object.fromEntries(found);
}

/** The graph with the shapes of targets as the data has them, but for the batch. */
function withSizes(graph: Graph, shapes: Readonly<Record<string, Shape>>): Graph {
  const settle = (input: ValueInfo): ValueInfo => {
    const found = targetOfInput(input.name) === undefined ? undefined : shapes[input.name];
    if (found === undefined) return input;
    const first = input.shape?.[0] ?? symbolOf(input, 0, "");
    return { ...input, shape: found.map((size, axis) => (axis === 0 ? first : size)) };
  };
  return { ...graph, inputs: graph.inputs.map(settle) };
}

/** Sums in another order come to no more. */
const tolerance = 1e-4;

/** Samples that are taken one by one. */
const mostAlone = 8;

/**
 * Whether the loss of a minibatch is made of those of its samples, on some of the first: then it can be taken to
 * pieces. Where there is no data, nobody knows.
 */
async function isApartOn(runtime: Runtime, loss: Loss, { graph, first }: Place, machine: Asked): Promise<boolean> {
  if (first === undefined) return false;
  const { size } = first.batch;
  const some = Math.min(size, mostAlone);
  const run = async (rows: number, times: number): Promise<number[]> => {
    const found: number[] = [];
    await using opened = await openRows(runtime, loss, graph, rowsOf(first, 0, rows), machine);
    for (let i = 0; i < times; i++) found.push(...(await opened.run(rowsOf(first, i * rows, (i + 1) * rows))));
    return found;
  };
  // What cannot be joined to a whole minibatch, or does not run, is refused here.
  if (size > some) await run(size, 1);
  const [whole, alone] = [await run(some, 1), await run(1, some)];
  if (size === 1) return false;
  const range = Math.max(...whole.map(Math.abs));
  // One number for all samples is their mean, and stands for each.
  const isOne = new Set(whole).size === 1;
  const [a, b] = isOne ? [[meanOf(whole)], [meanOf(alone)]] : [whole, alone];
  return a.every((value, i) => Math.abs(value - b[i]!) <= tolerance * range);
}

/** A minibatch of some of the samples, and what the model makes of it. */
function rowsOf({ batch, answers }: Minibatch, from: number, to: number): Minibatch {
  const rows = Array.from({ length: to - from }, (_, i) => from + i);
  const pick = (all: Tensors): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(all).map(([name, value]) => [name, take(value, 0, rows)]));
  const { inputs, target, targets } = batch;
  const some = { inputs: pick(inputs), ...(target && { target: take(target, 0, rows) }), size: rows.length };
  return { batch: { ...some, ...(targets && { targets: pick(targets) }) }, answers: pick(answers) };
}

/** What gives the loss of each sample of a minibatch; the one of all for each where there is one. */
async function openRows(
  runtime: Runtime,
  loss: Loss,
  model: Graph,
  { batch, answers }: Minibatch,
  { device, threads, signal }: Asked,
): Promise<AsyncDisposable & { run(minibatch: Minibatch): Promise<number[]> }> {
  const like: Tensors = { ...namedInputs(model, batch), ...answers };
  const builder = GraphBuilder.empty("loss");
  const has = (name: string): boolean => like[name] !== undefined;
  const other = (name: string): Value => {
    const { dtype, shape } = like[name] ?? failOther(name);
    if (!builder.types.has(name)) builder.input(name, { dtype, shape }, true);
    return valueIn(builder, name);
  };
  const objective = appendTerms(builder, [], { files: fileTermsOf(loss) }, { has, other });
  const graph = finishGraph(builder, [(objective.perSample ?? objective.mean).name]);
  const session = await runtime.load(executable(graph, device), { device, threads, signal });
  return {
    async run(minibatch) {
      const values: Tensors = { ...namedInputs(model, minibatch.batch), ...minibatch.answers };
      const targets = targetFeeds(graph.inputs, objective, minibatch.batch);
      const feeds = graph.inputs.map(({ name }) => [name, targets[name] ?? values[name]!] as const);
      const [result] = Object.values(await session.run(Object.fromEntries(feeds)));
      const found = toNumbers(result!);
      return objective.perSample ? [...found] : Array.from({ length: batch.size }, () => found[0]!);
    },
    [Symbol.asyncDispose]: () => session.dispose(),
  };
}
