/** The proof of a cut: that what is left computes what the whole computes with the same units at zero. */

import { fail } from "../../graph/error.ts";
import type { Graph, Model } from "../../graph/graph.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { forDevice } from "../../passes/for-device.ts";
import { inFloat, type InFloat } from "../../passes/in-float.ts";
import type { Traced } from "../../passes/trace.ts";
import { toSingle, widen } from "../../passes/widen.ts";
import type { LoadOptions, MachineOptions, Runtime, Tensors } from "../../runtime/port.ts";
import { cut, shrinkerOf } from "../cut/cut.ts";
import { drawInputs } from "./draw.ts";
import { createOtherSizes, type OtherSizes } from "../cut/other-sizes.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { removedIndices, type Removal } from "../coupling/removal.ts";
import { proveLaw, type Proof } from "./law.ts";
import { mask } from "../cut/mask.ts";
import { createSides, isRefusal, type Sides } from "./sides.ts";
import { brokenNodes } from "./stretches.ts";

export type { Mismatch, Proof } from "./law.ts";

export interface ProofOptions extends MachineOptions, Pick<LoadOptions, "optimise"> {
  /** Of the inputs that are drawn; default 0. */
  readonly seed?: number;
  /**
   * A difference up to this share of the largest magnitude of a value needs no explanation; default 1e-5. A larger one
   * is allowed only as far as the cut model differs from itself with its weights rounded otherwise.
   */
  readonly tolerance?: number;
}

/** Sums of a few thousand terms in another order. */
const defaultTolerance = 1e-5;
/** Twice what 16 bits round to. */
const halfSteps = { float16: 2 ** -10, bfloat16: 2 ** -7 };
/**
 * Runs the masked and the cut model on fresh random inputs and compares what they compute: at the sizes of the trace,
 * at another batch, and at another size of every other axis that is open.
 *
 * They are compared in float32, whatever the file is written in, and without the rounding of quantised activations, so
 * that the only differences are those of sums in another order. The cut model as it is to be written is run besides.
 *
 * @param model its graph is the one that was traced for `groups`
 * @returns a proof; it holds where it has no `mismatch`
 * @throws SecateurError `bad-model` where the cut model does not load or run
 */
export async function prove(
  runtime: Runtime,
  model: Model,
  analysis: Analysis,
  removal: Removal,
  options: ProofOptions = {},
): Promise<Proof> {
  const { graph } = model;
  const { traced } = analysis;
  const elsewhere = createOtherSizes(analysis, removal);
  const small = cut(graph, analysis, removal, elsewhere);
  const zeroed = mask(graph, analysis, removal, elsewhere);
  const { seed = 0, tolerance = toleranceOf(small.graph, graph), ...load } = options;
  const sizes = settingsOf(analysis, removal, elsewhere);
  const again = Array.from({ length: drawsOf(traced) - 1 }, () => sizes[0]!);
  const settings = [...sizes, ...again].map((one, i) => ({ ...one, feeds: drawInputs(one.traced, seed + i) }));
  const sides = createSides(runtime, model, load, (one) => forDevice(one, options.device, traced.types));
  const feeds = settings.map((one) => one.feeds);
  await runAsWritten(sides, small.graph, graph, feeds.slice(0, sizes.length));
  const broken = brokenNodes(analysis, removal);
  const law = { sides, analysis, settings, zeroed, small: small.graph, tolerance };
  const at = feeds
    .slice(0, sizes.length)
    .map((one) => Object.fromEntries(Object.entries(one).map(([name, { shape }]) => [name, shape])));
  const selecting = mask(graph, analysis, removal, elsewhere, () => true);
  const forms = [selecting, small.graph].map((one) => inFloat(one, analysis.setting)) as [InFloat, InFloat];
  const wide = settings.map((one) => ({ ...one, feeds: widened(one.feeds, forms[0].graph) }));
  try {
    const inFloats = { ...law, settings: wide, zeroed: forms[0].graph, small: forms[1].graph };
    return { ...(await proveLaw(inFloats, broken)), at };
  } catch (error) {
    // Integers that a node without a rule reads have to stay integers.
    if (!isRefusal(error) || !forms[1].unrounded) throw error;
    return { ...(await proveLaw(law, broken)), at };
  }
}

function widened(feeds: Tensors, { inputs }: Graph): Tensors {
  const wide = new Set(inputs.filter(({ dtype }) => dtype === "float32").map(({ name }) => name));
  return Object.fromEntries(
    Object.entries(feeds).map(([name, value]) => [name, wide.has(name) ? toSingle(value) : value]),
  );
}

/** The trace of groups, another batch, and other sizes that are open: what is removed there, and how values are cut. */
function settingsOf(analysis: Analysis, removal: Removal, elsewhere: OtherSizes) {
  const here = { analysis, removed: removedIndices(analysis, removal) };
  return [here, ...elsewhere()].map((at) => ({ traced: at.analysis.traced, shrink: shrinkerOf(at) }));
}

/**
 * So many inputs are drawn where the values of a run have few elements: a unit that is zero on one
 * of them hides what is wrong behind it.
 */
const mostDraws = 8;
const drawnElements = 2 ** 20;

function drawsOf({ types }: Traced): number {
  let elements = 1;
  for (const { shape } of types.values()) elements += sizeOf(shape);
  return Math.max(1, Math.min(mostDraws, Math.floor(drawnElements / elements)));
}

/** Constants that the cut makes are rounded to the type that the file has. */
function toleranceOf(small: Graph, whole: Graph): number {
  const made = [...small.initializers].flatMap(([name, { dtype }]) => (whole.initializers.has(name) ? [] : [dtype]));
  const steps = made.map((dtype) => halfSteps[dtype as keyof typeof halfSteps] ?? 0);
  return Math.max(defaultTolerance, ...steps);
}

const isRun = (run: Promise<void>): Promise<boolean> =>
  run.then(
    () => true,
    () => false,
  );

/**
 * The cut model must load and run in the runtime as its users have it, and may do without the
 * optimiser only where the whole one has to.
 */
async function runAsWritten(sides: Sides, small: Graph, whole: Graph, feeds: readonly Tensors[]): Promise<void> {
  try {
    await sides.runWhole(small, feeds);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const runs = await isRun(sides.runWhole(whole, feeds));
    if (runs) throw error;
    if (await isRun(sides.runWhole(small, feeds, false))) return;
    // For the element types of some files the runtime has no kernels; what they compute is looked at in float32.
    if (widen(whole) === whole || (await isRun(sides.runWhole(whole, feeds, false)))) throw error;
  }
}

/** @throws SecateurError `internal` where the proof does not hold, with the node at which it fails */
export function assertProved(proof: Proof): void {
  const { mismatch } = proof;
  if (mismatch)
    fail(
      "internal",
      `${explainMismatch({ ...proof, mismatch })}. Please report the model, or leave this node's group out of the plan`,
    );
}

/** What a proof fails by. */
export const explainMismatch = ({
  mismatch,
  tolerance,
}: Pick<Proof, "tolerance"> & Required<Pick<Proof, "mismatch">>) =>
  `the cut model does not compute what the masked one does: they differ first at ${mismatch.node} ` +
  `("${mismatch.value}") by ` +
  `${mismatch.difference.toPrecision(3)} of its range, more than ${tolerance}`;
