/** Interval tasks and their answers as bytes and JSON, for machines that are further away than another thread. */

import { joinBytes } from "../graph/join-bytes.ts";
import type { Evidence } from "../criteria/criterion.ts";
import { fail } from "../graph/error.ts";
import { bodies, type AxisPositions, type Found, type Graph, type Model } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Distillation } from "../objective/objective.ts";
import type { PassNeed } from "../objective/evidence.ts";
import { encodeAsIs } from "../onnx/encode.ts";
import { loadModel } from "../onnx/load.ts";
import { decodeSafetensors, encodeSafetensors } from "../onnx/safetensors.ts";
import { wrapGraph } from "../onnx/wrap.ts";
import { lossesOf, type Loss, type LossSettings } from "../options/loss.ts";
import type { Lesson, StepResult } from "./lesson.ts";
import type { IntervalAnswer, IntervalTask } from "./spread.ts";

/** A task in pieces. One may be the same as a piece of another task: all machines of an interval have one model. */
export interface EncodedTask {
  /** ONNX files of the model, of the teacher, and of losses in files in their order. */
  readonly model: Uint8Array;
  readonly teacher: Uint8Array | undefined;
  readonly losses: readonly Uint8Array[];
  /** What the optimiser keeps, as safetensors. */
  readonly optimiserState: Uint8Array;
  /** All else. */
  readonly rest: TaskRest;
  /** The minibatches, in their order, each a piece of its own. */
  readonly batches: readonly Lesson["batch"][];
}

/** What of a task is plain data; losses in files have no model there. */
export interface TaskRest extends Pick<IntervalTask, "step" | "updates"> {
  readonly lessons: readonly Omit<Lesson, "batch">[];
  readonly distillation?: Distillation | undefined;
}

/** A task as bytes. */
export function encodeTask(task: IntervalTask): EncodedTask {
  const { graph, optimiserState, teacher, lessons } = task;
  return {
    model: encodeGraph(graph),
    teacher: teacher && encodeGraph(teacher.graph),
    losses: lossGraphs(task).map(encodeGraph),
    optimiserState: encodeState(optimiserState),
    rest: restOf(task),
    batches: lessons.map(({ batch }) => batch),
  };
}

/** What the optimiser keeps, as safetensors. */
export const encodeState = (tensors: IntervalTask["optimiserState"]): Uint8Array =>
  joinBytes(encodeSafetensors({ tensors, metadata: {} }));

/** The graphs of losses in files, in the order of the losses. */
export const lossGraphs = ({ step }: Pick<IntervalTask, "step">): Graph[] =>
  lossesOf(step.loss).flatMap((one) =>
    one.kind === "file"
      ? [(one.model ?? fail("bad-option", `the loss ${one.file ?? "of a file"} is not read: give it as a model`)).graph]
      : [],
  );

/** What of a task is plain data. */
export function restOf({ teacher, step, lessons, updates }: IntervalTask): TaskRest {
  const rest: TaskRest = {
    step: { ...step, loss: withModels(step.loss, () => undefined) },
    updates,
    lessons: lessons.map(({ rate, number }) => ({ rate, number })),
    distillation: teacher && { weight: teacher.weight, temperature: teacher.temperature, features: teacher.features },
  };
  // What is not given is left out.
  return JSON.parse(JSON.stringify(rest)) as TaskRest;
}

/** The same losses, those in files with other models. */
function withModels(loss: Loss, next: () => Model | undefined): Loss {
  const change = <T>(one: T): T => ((one as Partial<LossSettings>).kind === "file" ? { ...one, model: next() } : one);
  if (typeof loss === "string") return loss;
  if (Array.isArray(loss)) return loss.map(change);
  if (typeof (loss as LossSettings).kind === "string") return change(loss);
  return Object.fromEntries(Object.entries(loss).map(([output, one]) => [output, change(one)])) as Loss;
}

/** @throws SecateurError `bad-model` or `bad-data` for bytes that are no task */
export function decodeTask({ model, teacher, losses, optimiserState, rest, batches }: EncodedTask): IntervalTask {
  const { step, updates, lessons, distillation } = rest;
  const graphs = losses.map(decodeGraph).values();
  const nextModel = (): Model => wrapGraph(graphs.next().value ?? fail("bad-data", "a loss of the task has no model"));
  return {
    graph: decodeGraph(model),
    optimiserState: decodeSafetensors(optimiserState, "the optimiser state of a task").tensors,
    teacher: teacher && {
      ...(distillation ?? fail("bad-data", "the task does not say how it learns from its teacher")),
      graph: decodeGraph(teacher),
    },
    step: { ...step, loss: withModels(step.loss, nextModel) },
    lessons: lessons.map((lesson, i) => ({ ...lesson, batch: batches[i]! })),
    updates,
  };
}

/** Under this name a file has what of a graph no file has. */
const key = "secateur.interval";

/** What of a graph no file has, as JSON says it. */
interface Unwritten {
  readonly groupNames?: readonly (readonly [string, string])[];
  readonly positions?: readonly (readonly [string, readonly (readonly [number, AxisPositions])[]])[];
  readonly sizes?: readonly (readonly [string, number])[];
  readonly otherSizes?: readonly (readonly (readonly [string, number])[])[];
  readonly found?: Pick<Found, "failed"> & {
    readonly types: readonly (readonly [string, TypeFound])[];
    readonly sizes: readonly (readonly [string, number])[];
  };
}

type TypeFound = Found["types"] extends ReadonlyMap<string, infer T> ? T : never;

/** A graph as an ONNX file, which says besides what no such file has. */
export function encodeGraph(graph: Graph): Uint8Array {
  const { groupNames, positions, sizes, otherSizes, found } = graph;
  const unwritten: Unwritten = {
    ...(groupNames && { groupNames: [...groupNames] }),
    ...(positions && { positions: [...positions].map(([name, axes]) => [name, [...axes]] as const) }),
    ...(sizes && { sizes: [...sizes] }),
    ...(otherSizes && { otherSizes: otherSizes.map((one) => [...one]) }),
    ...(found && { found: { ...found, types: [...found.types], sizes: [...found.sizes] } }),
  };
  const domains = Object.fromEntries([...domainsOf(graph)].map((domain) => [domain, 1]));
  return encodeAsIs({ ...wrapGraph(graph, domains), metadata: { [key]: JSON.stringify(unwritten) } });
}

const domainsOf = (graph: Graph): Set<string> =>
  new Set(
    graph.nodes.flatMap((node) => [
      ...(node.domain === "" ? [] : [node.domain]),
      ...bodies(node).flatMap((body) => [...domainsOf(body)]),
    ]),
  );

function decodeGraph(bytes: Uint8Array): Graph {
  const { graph, metadata } = loadModel(bytes);
  const { groupNames, positions, sizes, otherSizes, found } = JSON.parse(metadata[key] ?? "{}") as Unwritten;
  return {
    ...graph,
    ...(groupNames && { groupNames: new Map(groupNames) }),
    ...(positions && { positions: new Map(positions.map(([name, axes]) => [name, new Map(axes)])) }),
    ...(sizes && { sizes: new Map(sizes) }),
    ...(otherSizes && { otherSizes: otherSizes.map((one) => new Map(one)) }),
    ...(found && { found: { ...found, types: new Map(found.types), sizes: new Map(found.sizes) } }),
  };
}

/** An answer as safetensors. */
export function encodeAnswer({ weights, optimiserState, steps, samples }: IntervalAnswer): Uint8Array {
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of weights) tensors.set(`weight ${name}`, value);
  for (const [name, value] of optimiserState) tensors.set(`state ${name}`, value);
  for (const [i, { findings }] of steps.entries())
    for (const [group, evidence] of findings)
      for (const [place, data] of flat(evidence))
        tensors.set(`${i} ${place} ${group}`, { dtype: "float32", shape: [data.length], data });
  const metadata = { samples: String(samples), losses: JSON.stringify(steps.map(({ loss }) => loss)) };
  return joinBytes(encodeSafetensors({ tensors, metadata }));
}

/** @throws SecateurError `bad-data` for bytes that are no answer */
export function decodeAnswer(bytes: Uint8Array): IntervalAnswer {
  const { tensors, metadata } = decodeSafetensors(bytes, "the answer of a machine");
  const losses = JSON.parse(metadata["losses"] ?? "[]") as number[];
  const found = losses.map(() => new Map<string, Partial<Evidence>>());
  const [weights, optimiserState] = [new Map<string, Tensor>(), new Map<string, Tensor>()];
  for (const [name, value] of tensors) {
    const [first, place, ...words] = name.split(" ") as [string, string, ...string[]];
    if (first === "weight") weights.set(name.slice("weight ".length), value);
    else if (first === "state") optimiserState.set(name.slice("state ".length), value);
    else {
      const findings = found[Number(first)] ?? fail("bad-data", `the answer of a machine has no step ${first}`);
      const group = words.join(" ");
      findings.set(group, withPlace(findings.get(group) ?? {}, place, value.data as Float32Array));
    }
  }
  const steps = losses.map((loss, i): StepResult => ({ loss, findings: found[i]! }));
  return { weights, optimiserState, steps, samples: Number(metadata["samples"]) };
}

/** Evidence as rows of numbers by their places, as `activations.reads`. */
const flat = (evidence: Partial<Evidence>): [string, Float32Array][] =>
  (Object.entries(evidence) as [PassNeed, Float32Array | Record<string, Float32Array>][]).flatMap(([need, value]) =>
    value instanceof Float32Array
      ? [[need, value] as [string, Float32Array]]
      : Object.entries(value).map(([part, row]): [string, Float32Array] => [`${need}.${part}`, row]),
  );

function withPlace(evidence: Partial<Evidence>, place: string, data: Float32Array): Partial<Evidence> {
  const [need, part] = place.split(".") as [PassNeed, string | undefined];
  return { ...evidence, [need]: part === undefined ? data : { ...evidence[need], [part]: data } };
}
