/** Lets a model that was written for a fixed batch run on any. */

import { fail } from "../graph/error.ts";
import type { Graph, Node, ValueInfo } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { ratioOf, type BatchPlace } from "./batch-place.ts";
import { removeDead } from "./dead.ts";
import { normalise } from "./normalise.ts";
import { createSearch, type Search } from "./open-search.ts";
import { openStage, type Stage } from "./open-stage.ts";

/** The batch size that the inputs of a graph fix; `undefined` where it is open. */
export function fixedBatch(graph: Graph): number | undefined {
  const first = graph.inputs[0]?.shape?.[0];
  return typeof first === "number" ? first : undefined;
}

/** Of what a search may go back on: more means that no way leads on. */
const mostReturns = 500;

/**
 * The graph with an open batch, as the likeliest of {@link openings}.
 *
 * @throws SecateurError `unsupported` where the model fixes its batch in a way that is not understood
 */
export function openBatch(graph: Graph): Graph {
  const batch = fixedBatch(graph);
  if (batch === undefined) return graph;
  const found = openings(graph).next();
  if (!found.done) return found.value.graph;
  fail("unsupported", `the model is fixed to a batch of ${batch} (${found.value}); export it with an open batch`);
}

/** A way to open the batch of a graph. */
export interface Opening {
  readonly graph: Graph;
  /** Where the batch lies in the values that carry it. */
  readonly places: ReadonlyMap<string, BatchPlace>;
}

/**
 * The graphs that run at any batch and at the fixed one are what the graph is, from the likeliest on. Node by node,
 * what states the batch is written so that it follows it: the first axes of inputs and outputs, targets of Reshape and
 * Expand, sizes of Resize, ends of Slice. What is the same for all samples is spread over the batch where it meets what
 * carries it. A batch of 1 can be any axis of 1 or a factor of any axis. What follows in the graph decides. Where it
 * fits in several ways, only running it can tell (see execute/opened.ts).
 *
 * @param graph a normalised graph whose first input has a fixed first axis, the batch
 * @returns why there is no other
 */
export function* openings(graph: Graph): Generator<Opening, string> {
  const batch = fixedBatch(graph)!;
  if (batch === 0) return "a batch of none";
  const stage = openStage(graph, batch);
  const search = createSearch(stage, graph);
  const { steps } = search;
  let why: string | undefined;
  for (let returns = 0; returns <= mostReturns; returns++) {
    while (steps.length < graph.nodes.length && search.advance());
    why ??= search.why;
    let wrong = graph.nodes[steps.length]?.inputs;
    if (wrong === undefined) {
      const short = shortOutput(stage, graph);
      if (short === undefined) yield { graph: assemble(stage, graph, search), places: new Map(stage.places) };
      else why ??= `its output "${short}" does not follow the batch along its first axis`;
      wrong = short === undefined ? graph.outputs.map(({ name }) => name) : [short];
    }
    if (!search.goBack(search.before(wrong))) break;
  }
  const [constant] = stage.different;
  if (constant !== undefined) return `its constant "${constant}" holds other values for each sample`;
  return why ?? search.why ?? "no other way is left";
}

/** An output that cannot be told sample by sample: the first, by which a model is judged, along its first axis. */
function shortOutput({ places }: Stage, { outputs }: Graph): string | undefined {
  return outputs.find(({ name }, i) => {
    const place = places.get(name);
    return place === undefined ? i === 0 : ratioOf(place) !== 1 || (i === 0 && place.axis !== 0);
  })?.name;
}

function assemble({ places, initializers: all, size, sizing, batch }: Stage, graph: Graph, { steps }: Search): Graph {
  const nodes: Node[] = [];
  const initializers = new Map<string, Tensor>(graph.initializers);
  for (const { chosen } of steps) {
    nodes.push(...chosen.nodes);
    for (const name of chosen.tensors?.keys() ?? []) initializers.set(name, all.get(name)!);
  }
  const sized = nodes.some(({ inputs }) => inputs.includes(size)) ? [sizing, ...nodes] : nodes;
  const open = (value: ValueInfo): ValueInfo => {
    const axis = places.get(value.name)?.axis;
    return axis === undefined || value.shape?.[axis] !== batch
      ? value
      : { ...value, shape: value.shape.with(axis, "batch") };
  };
  // What the file and a trial run say of values holds at the fixed batch.
  const { found: _, ...rest } = graph;
  return removeDead({
    ...rest,
    nodes: sized,
    initializers,
    inputs: graph.inputs.map(open),
    outputs: graph.outputs.map(open),
    info: new Map(),
  });
}

/**
 * A graph that came of another by opening its batch, at the batch that the other fixes: what was
 * computed from its size is constants again.
 */
export function closeBatch(graph: Graph, original: Graph): Graph {
  const batch = fixedBatch(original);
  if (batch === undefined || fixedBatch(graph) !== undefined) return graph;
  const before = new Map(original.inputs.map(({ name, shape }) => [name, shape?.[0]]));
  const inputs = graph.inputs.map((input) => {
    const fixed = before.get(input.name);
    return input.shape && typeof fixed === "number" ? { ...input, shape: input.shape.with(0, fixed) } : input;
  });
  return normalise({ ...graph, inputs });
}
