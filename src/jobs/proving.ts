/** The proof of a whole run, and what becomes of a model where it fails. */

import { SecateurError } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { composed } from "../prune/select/plan.ts";
import { explainMismatch, prove, type Proof, type ProofOptions } from "../prune/proof/prove.ts";
import type { Runtime } from "../runtime/port.ts";

/** What a run has shown of its model. */
export interface Proved {
  /** Absent where none was asked for, and where it could not be run. */
  readonly proof?: Pick<Proof, "difference" | "elements" | "between" | "random"> | undefined;
  /**
   * Why the model is not proved to compute what the masked one does; absent where it
   * is, or where no proof was asked for.
   */
  readonly unproved?: string | undefined;
}

/** The name under which a model says in its metadata that its proof failed. */
const unprovedKey = "secateur.unproved";

/** The model with what its proof failed by in its metadata. */
export const markedUnproved = (model: Model, reason: string): Model => ({
  ...model,
  metadata: { ...model.metadata, [unprovedKey]: reason },
});

/**
 * Runs the model at the start without all that was removed, cut and masked: before hours of fine-tuning, not after. A
 * proof that fails, or that can not be run, ends nothing: it is told.
 */
export async function proveAll(
  runtime: Runtime,
  model: Model,
  analysis: Analysis,
  removals: readonly Removal[],
  options: Pick<ProofOptions, "device" | "threads" | "signal">,
): Promise<Proved> {
  const { device, threads, signal } = options;
  try {
    const removal = composed(analysis, removals);
    const found = await prove(runtime, { ...model, graph: analysis.graph }, analysis, removal, {
      device,
      threads,
      signal,
    });
    const { difference, elements, between, random, mismatch } = found;
    const proof = { difference, elements, between, random };
    return mismatch ? { proof, unproved: explainMismatch({ ...found, mismatch }) } : { proof };
  } catch (error) {
    if (!(error instanceof SecateurError) || signal?.aborted) throw error;
    return { unproved: `the proof could not be run: ${error.message}` };
  }
}
