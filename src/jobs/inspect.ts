/** A look at a model: what could be pruned of it. */

import type { Model } from "../graph/graph.ts";
import { summarise, type Summary, type SummaryOptions } from "../prune/summary.ts";

/**
 * What a model costs, the groups of units that can only go together, and what is frozen or refused, with the reasons. A model with
 * operators that are not known is tried first by {@link withTrial}, for the shapes behind them.
 *
 * @example
 * import { inspect, load } from "secateur";
 *
 * const { macs, groups, frozen } = inspect(await load("model.onnx"));
 * console.log(macs);
 * for (const { name, units } of groups) console.log(name, units);
 * for (const { name, reasons } of frozen) console.log(name, reasons);
 */
export function inspect(model: Model, options: SummaryOptions = {}): Summary {
  return summarise(model, options);
}
