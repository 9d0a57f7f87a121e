/** The units of a plan removed from a model, or zeroed. */

import { z } from "zod";
import { SecateurError, option } from "../graph/error.ts";
import type { Graph, Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { notNegative, type OptionsOf } from "../options/kinds.ts";
import { running, seed, type RunOptions } from "../options/machine.ts";
import { normalise, type NormaliseOptions } from "../passes/normalise.ts";
import type { Costs } from "../passes/costs.ts";
import { cut as cutGraph } from "../prune/cut/cut.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { mask as maskGraph } from "../prune/cut/mask.ts";
import { assertProved, prove, type Proof } from "../prune/proof/prove.ts";
import { defaultRuntime } from "../runtime/default.ts";
import { withTrial } from "./trial.ts";

const own = {
  /** Whether the cut and the masked model run side by side on random inputs; default true. */
  prove: z.boolean().default(true),
  /** Of the inputs that are drawn; default 0. */
  seed,
  /**
   * A difference up to this share of the largest magnitude of a value needs no explanation; default 1e-5. A larger one
   * is allowed only as far as the cut model differs from itself with its weights rounded otherwise.
   */
  tolerance: notNegative.optional(),
};
export const kinds = { ...running, ...own };
const settleCut = takes("cut", kinds);
const settleMask = takes("mask", running);

export interface CutOptions extends RunOptions, OptionsOf<typeof own> {}

export interface MaskOutcome {
  readonly model: Model;
  readonly before: Costs;
  readonly after: Costs;
}

export interface CutOutcome extends MaskOutcome {
  /** Absent where none was asked for. */
  readonly proof?: Proof | undefined;
}

/**
 * Removes units: smaller weights, smaller sizes. What is left is proved to compute what the
 * whole computes with these units at zero.
 *
 * @example
 * import { cut, load, plan, save } from "secateur";
 *
 * const model = await load("model.onnx");
 * const { removal } = await plan(model, { ratio: 0.3 });
 * const { model: small, before, after, proof } = await cut(model, removal);
 * console.log(`${before.params} -> ${after.params} parameters; differs by ${proof?.difference} from zeroing`);
 * await save("small.onnx", small);
 *
 * @throws SecateurError `bad-plan` for units that the model does not have, `internal`
 * naming the node where the proof fails
 */
export async function cut(model: Model, removal: Removal, options: CutOptions = {}): Promise<CutOutcome> {
  const { failure, ...outcome } = await cutAndProve(model, removal, options);
  if (failure) throw failure;
  return outcome;
}

/** The same; where the proof fails, or can not be run, the cut model comes with the error. */
export async function cutAndProve(
  model: Model,
  removal: Removal,
  given: CutOptions = {},
): Promise<CutOutcome & { readonly failure?: SecateurError }> {
  const options = settleCut(given, model);
  const tried = await withTrial(model, options);
  const { whole, analysis, outcome } = change(tried, removal, options, (...all) => cutGraph(...all).graph);
  if (!options.prove) return outcome;
  const { runtime = defaultRuntime(), device, threads, signal, seed, tolerance } = options;
  try {
    const proof = await prove(runtime, whole, analysis, removal, {
      device,
      threads,
      signal,
      seed,
      ...(tolerance === undefined ? {} : { tolerance }),
    });
    assertProved(proof);
    return { ...outcome, proof };
  } catch (error) {
    if (!(error instanceof SecateurError) || signal?.aborted) throw error;
    if (error.code === "internal") return { ...outcome, failure: error };
    const message = `the proof could not be run: ${error.message}; cut without it by ${option("prove", false)}`;
    return { ...outcome, failure: new SecateurError(error.code, message, { cause: error }) };
  }
}

/**
 * Makes units zero wherever they are read; all shapes stay.
 *
 * @example
 * import { load, mask, plan } from "secateur";
 *
 * const model = await load("model.onnx");
 * const { removal } = await plan(model, { ratio: 0.3 });
 * const { model: masked } = await mask(model, removal);
 * console.log(masked.graph.nodes.length - model.graph.nodes.length, "nodes more");
 *
 * @throws SecateurError `bad-plan` for units that the model does not have
 */
export async function mask(model: Model, removal: Removal, given: RunOptions = {}): Promise<MaskOutcome> {
  const options = settleMask(given, model);
  return change(await withTrial(model, options), removal, options, maskGraph).outcome;
}

function change(
  model: Model,
  removal: Removal,
  options: NormaliseOptions,
  apply: (graph: Graph, analysis: Analysis, removal: Removal) => Graph,
): { readonly whole: Model; readonly analysis: Analysis; readonly outcome: MaskOutcome } {
  const whole: Model = { ...model, graph: normalise(model.graph, options) };
  const analysis = analyse(whole.graph);
  const changed: Model = { ...whole, graph: apply(whole.graph, analysis, removal) };
  return {
    whole,
    analysis,
    outcome: { model: changed, before: analysis.costs, after: analyse(changed.graph).costs },
  };
}
