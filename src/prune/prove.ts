/** The proof of a cut: that what is left computes what the whole computes with the same units at zero. */

import { fail } from "../graph/error.ts";
import { describe, type Graph, type Model } from "../graph/graph.ts";
import type { Shape, Tensor } from "../graph/tensor.ts";
import { encodeForRuntime } from "../onnx/encode.ts";
import { forDevice } from "../passes/for-device.ts";
import type { LoadOptions, Runtime, Tensors } from "../runtime/port.ts";
import { cut, shrinkerOf } from "./cut.ts";
import { differ } from "./differ.ts";
import { drawInputs } from "./draw.ts";
import { fewestSettings, removalElsewhere, tracesElsewhere } from "./elsewhere.ts";
import { removedIndices, type Groups, type Removal } from "./groups.ts";
import { mask } from "./mask.ts";
import { brokenNodes, isRunnable, splitAt, watching } from "./stretches.ts";

export interface ProofOptions extends LoadOptions {
  /** Of the inputs that are drawn; default 0. */
  readonly seed?: number;
  /** The largest difference allowed, as a share of the largest magnitude of what is compared. */
  readonly tolerance?: number;
}

/** The first value in which a cut and its mask are not the same. */
export interface Mismatch {
  readonly node: string;
  readonly value: string;
  readonly difference: number;
}

export interface Proof {
  /** The largest difference of any value compared, as a share of that value's largest magnitude. */
  readonly difference: number;
  readonly tolerance: number;
  /**
   * Nodes at which removing is not zeroing: what they compute of a smaller input is another thing by nature. Each is given the values of
   * the masked model, so that the law is shown for every stretch between them; empty where it holds for the model as a whole.
   */
  readonly between: readonly string[];
  /** Elements that were compared, and those among them that are not finite, which shows nothing. */
  readonly elements: number;
  readonly notFinite: number;
  /** The shapes of the inputs at each of the sizes that both ran at. */
  readonly at: readonly Readonly<Record<string, Shape>>[];
  readonly mismatch?: Mismatch;
}

/** Sums of a few thousand terms in another order; float16 keeps 11 bits. */
const tolerances = { float32: 1e-4, float16: 2e-2 };

/**
 * Runs the masked and the cut model on fresh random inputs and compares what they compute: at the sizes of the trace, at another batch, and
 * at another size of every other axis that is open.
 *
 * @param model its graph is the one that was traced for `groups`
 * @returns a proof; it holds where it has no `mismatch`
 * @throws SecateurError `bad-model` where the cut model does not load or run
 */
export async function prove(
  runtime: Runtime,
  model: Model,
  groups: Groups,
  removal: Removal,
  options: ProofOptions = {},
): Promise<Proof> {
  const { graph } = model;
  const { traced } = groups.coupling;
  const small = cut(graph, groups, removal);
  const zeroed = mask(graph, groups, removal);
  const settings = settingsOf(groups, removal).map(({ traced: there, shrink }, i) => ({
    traced: there,
    shrink,
    feeds: drawInputs(there, (options.seed ?? 0) + i),
  }));
  const broken = brokenNodes(groups, removal);
  const half = [...graph.initializers.values()].some(({ dtype }) => dtype === "float16");
  const tolerance = options.tolerance ?? tolerances[half ? "float16" : "float32"];
  const run = async (one: Graph, given: readonly Tensors[]): Promise<Record<string, Tensor>[]> => {
    const fitting = forDevice(one, options.device, traced.types);
    const session = await runtime.load(encodeForRuntime({ ...model, graph: fitting }), options);
    try {
      const results: Record<string, Tensor>[] = [];
      for (const feeds of given) results.push(await session.run(feeds));
      return results;
    } finally {
      await session.dispose();
    }
  };
  const all = settings.map(({ feeds }) => feeds);
  // The model that is to be written must run as a whole and with what it declares, whatever is compared below.
  await run(small.graph, all);

  const stretches = splitAt(small, traced, broken);
  const compare = async (watched: readonly string[]) => {
    const whole = await run(watching(zeroed, traced, [...watched, ...stretches.inputs]), all);
    const given = settings.map(({ feeds, shrink }, i) => ({
      ...feeds,
      ...Object.fromEntries(stretches.inputs.map((name) => [name, shrink(name, whole[i]![name]!)])),
    }));
    const part = await run(watching(stretches.graph, traced, watched), given);
    return settings.flatMap(({ shrink }, i) =>
      watched.map((name) => ({ name, ...differ(shrink(name, whole[i]![name]!), part[i]![name]!) })),
    );
  };
  const compared = await compare(stretches.outputs);
  const difference = Math.max(0, ...compared.map((one) => one.difference));
  const proof = {
    difference,
    tolerance,
    between: broken.map(describe),
    elements: compared.reduce((n, one) => n + one.elements, 0),
    notFinite: compared.reduce((n, one) => n + one.notFinite, 0),
    at: all.map((feeds) => Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, shape]))),
  };
  if (difference <= tolerance) return proof;
  const computed = stretches.graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => isRunnable(traced, name)));
  const first = (await compare(computed)).find((one) => one.difference > tolerance);
  const name = first?.name ?? compared.find((one) => one.difference > tolerance)!.name;
  const node = graph.nodes.find(({ outputs }) => outputs.includes(name));
  return {
    ...proof,
    mismatch: {
      node: node ? describe(node) : "an input of the model",
      value: name,
      difference: first?.difference ?? difference,
    },
  };
}

/** The trace of groups, another batch, and other sizes that are open: what is removed there, and how values are cut. */
function settingsOf(groups: Groups, removal: Removal) {
  const { traced } = groups.coupling;
  const here = { groups, removed: removedIndices(groups, removal) };
  const others = tracesElsewhere(traced, fewestSettings(traced)).map((there) =>
    removalElsewhere(groups, removal, there),
  );
  return [here, ...others].map((at) => ({ traced: at.groups.coupling.traced, shrink: shrinkerOf(at) }));
}

/** @throws SecateurError `internal` where the proof does not hold, with the node at which it fails */
export function assertProved({ mismatch, tolerance }: Proof): void {
  if (mismatch)
    fail(
      "internal",
      `the cut model does not compute what the masked one does: they differ first at ${mismatch.node} ("${mismatch.value}") by ` +
        `${mismatch.difference.toPrecision(3)} of its range, more than ${tolerance}; nothing was written. ` +
        `Please report the model, or leave this node's group out of the plan`,
    );
}
