/** Losses of files, made ready: read, checked against model and data, and written for any batch. */

import type { Batch } from "../data/batches.ts";
import { executable } from "../execute/executable.ts";
import { hasTarget, namedInputs, targetFeeds } from "../execute/feeds.ts";
import { openGraph } from "../execute/opened.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph, Model, ValueInfo } from "../graph/graph.ts";
import { take, toNumbers, type Shape, type Tensor } from "../graph/tensor.ts";
import { nameOfFile, targetOfInput } from "../objective/loss-file.ts";
import { inputNameOf } from "../objective/terms.ts";
import type { FileLoss, Loss, LossSettings } from "../options/loss.ts";
import { renamed } from "../passes/branches.ts";
import { symbolOf } from "../passes/dims.ts";
import { removeDead } from "../passes/dead.ts";
import { normalise } from "../passes/normalise.ts";
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
  readonly first?: { readonly batch: Batch; readonly answers: Tensors };
}

/**
 * The loss with each of its files read, and checked against the model and a minibatch.
 *
 * @param graph the model with an open batch
 * @throws SecateurError `io` and `bad-model` for what cannot be read, `bad-option` for what does not fit
 */
export async function settleFiles(runtime: Runtime, graph: Graph, loss: Loss, asked: Asked): Promise<Loss> {
  if (typeof loss === "string") return loss;
  const one = (loss as LossSettings).kind === "file" ? [loss as LossSettings] : undefined;
  const list = one ?? (Array.isArray(loss) ? (loss as readonly LossSettings[]) : []);
  if (!list.some(({ kind }) => kind === "file")) return loss;
  const wide = widen(graph);
  const first = asked.data && (await firstAnswers(runtime, wide, asked.data, asked));
  const place: Place = { graph: wide, batchSize: first?.batch.size ?? asked.batchSize, ...(first && { first }) };
  const settled: LossSettings[] = [];
  for (const item of list) settled.push(item.kind === "file" ? await settleFile(runtime, item, place, asked) : item);
  return one ? settled[0]! : settled;
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
  const settled = removeDead(withSizes(graph, shapes));
  const isApart = asked.isApart ?? (fixed === undefined && (await isApartOn(runtime, name, settled, place, machine)));
  return { ...asked, kind: "file", file: name, model: { ...model, graph: settled }, isApart };
}

const listed = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

/** The graph with inputs that say what they take: those that take targets are called `target` or `target/NAME`. */
function nameTargets(file: string, loss: Graph, { graph, first }: Place): Graph {
  const outputs = graph.outputs.map(({ name }) => name);
  const inputs = graph.inputs.map(({ name }) => name);
  const targets = first && Object.keys(first.batch.targets ?? {});
  const isTarget = (name: string): boolean =>
    targets === undefined || targets.includes(name) || (name === "" && hasTarget(first!.batch));
  const names = new Map<string, string>();
  for (const { name } of loss.inputs) {
    if (outputs.includes(name)) continue;
    const target = targetOfInput(name) ?? name;
    if (targetOfInput(name) === undefined && inputs.includes(name)) continue;
    if (!isTarget(target))
      fail(
        "bad-option",
        `the loss "${file}" takes "${name}": the model's outputs are ${listed(outputs)}, its inputs ` +
          `${listed(inputs)}, and the data has ${toldTargets(first!.batch)}`,
      );
    names.set(name, inputNameOf("target", target));
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
    const value = target === undefined ? undefined : first && targetIn(first.batch, target);
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

const targetIn = ({ target, targets = {} }: Batch, name: string): Tensor | undefined =>
  name === "" ? (target ?? Object.values(targets)[0]) : targets[name];

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

/**
 * Whether the loss of a minibatch is made of those of its parts, on the first minibatch: so it can be taken to pieces.
 */
async function isApartOn(
  runtime: Runtime,
  file: string,
  loss: Graph,
  { graph, first }: Place,
  { device, threads, signal }: Asked,
): Promise<boolean> {
  if (first === undefined || first.batch.size < 2) return false;
  const { batch, answers } = first;
  const { size } = batch;
  const targets = loss.inputs.flatMap(({ name }) => {
    const target = targetOfInput(name);
    return target === undefined ? [] : [{ input: name, name: target, classes: 0 }];
  });
  const sized = loss.inputs.map((input) => ({ ...input, shape: input.shape?.with(0, size) }) as ValueInfo);
  const all: Tensors = {
    ...namedInputs(graph, batch),
    ...answers,
    ...targetFeeds(sized, { targets }, batch),
  };
  await using session = await runtime.load(executable(loss, device), { device, threads, signal });
  const run = async (from: number, to: number): Promise<number[]> => {
    const rows = Array.from({ length: to - from }, (_, i) => from + i);
    const feeds = loss.inputs.map(({ name }) => [name, take(all[name]!, 0, rows)] as const);
    const found = toNumbers((await session.run(Object.fromEntries(feeds)))[loss.outputs[0]!.name]!);
    if (found.length === 1) return rows.map(() => found[0]!);
    if (found.length !== rows.length)
      fail("bad-option", `the loss "${file}" gives ${found.length} numbers for ${rows.length} samples`);
    return found;
  };
  const whole = await run(0, size);
  // One number for all samples is their mean, and stands for each.
  const isOne = loss.outputs[0]!.shape?.length === 0 || whole.every((value) => value === whole[0]);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  for (const at of new Set([1, Math.floor(size / 2)])) {
    const parts = [...(await run(0, at)), ...(await run(at, size))];
    const [a, b] = isOne ? [[mean(whole)], [mean(parts)]] : [whole, parts];
    const range = Math.max(...a.map(Math.abs));
    if (a.some((value, i) => !(Math.abs(value - b[i]!) <= tolerance * range))) return false;
  }
  return true;
}
