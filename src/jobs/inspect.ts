/** A look at a model: what could be pruned of it. */

import { z } from "zod";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { runtime, signal, threads } from "../options/machine.ts";
import { looking } from "../options/model.ts";
import { summarise, type Summary } from "../prune/summary.ts";
import type { OptionsOf } from "../options/kinds.ts";
import { withTrial } from "./trial.ts";

const own = {
  /** Whether to tell of each group if it can go as a whole, which is tried one by one; default false. */
  whole: z.boolean().optional(),
  /** For a model with operators that are not known, which is run once for the shapes behind them. */
  runtime: runtime.optional(),
  threads: threads.optional(),
  signal: signal.optional(),
};
const kinds = { ...looking, ...own };
const settle = takes("inspect", kinds);

export interface InspectOptions extends OptionsOf<typeof looking>, OptionsOf<typeof own> {}

/**
 * What a model costs, the groups of units that can only go together, and what is frozen or refused, with the reasons.
 *
 * @example
 * import { inspect, load } from "secateur";
 *
 * const { macs, groups, frozen } = await inspect(await load("model.onnx"));
 * console.log(macs);
 * for (const { name, units } of groups) console.log(name, units);
 * for (const { name, reasons } of frozen) console.log(name, reasons);
 */
export async function inspect(model: Model, given: InspectOptions = {}): Promise<Summary> {
  const options = settle(given, model);
  return summarise(await withTrial(model, options), options);
}
