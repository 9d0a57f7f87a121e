/** The part of the data that accuracy is measured on, or why there is none. */

import type { Dataset } from "../data/batches.ts";
import { testPartOf } from "../data/spec-node.ts";
import { SecateurError } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Context } from "./context.ts";
import { openData, type DataFlags } from "./options/data.ts";
import { note } from "./output.ts";

export interface Validation {
  readonly validation?: Dataset | undefined;
  /** Why there is none, and what to add. */
  readonly unmeasured?: string | undefined;
}

/** Opens the test part of the data; where there is none, it is said. */
export async function openValidation(
  flags: DataFlags & { readonly data: string },
  model: Model,
  context: Context,
): Promise<Validation> {
  try {
    const validation = await openData(flags, "test", model, context);
    await refuseEmpty(validation);
    return { validation };
  } catch (error) {
    const { message } = error as Error;
    const unmeasured = `${message}; add ${testPartOf(flags.data)}`;
    note(`no accuracy will be measured: ${unmeasured}`);
    return { unmeasured };
  }
}

/**
 * Data that does not know its size may have no batch at all. Whatever else is wrong with
 * it is told where it is learned from.
 */
async function refuseEmpty(dataset: Dataset): Promise<void> {
  if (dataset.size !== undefined) return;
  try {
    for await (const _ of dataset.batches({ batchSize: 1, limit: 1 })) return;
  } catch (error) {
    if (error instanceof SecateurError && error.message.endsWith(": no batches")) throw error;
  }
}
