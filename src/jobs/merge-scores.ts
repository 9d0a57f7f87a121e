/** Importances of the parts that several machines measured, as a function. */

import type { Scores } from "../criteria/criterion.ts";
import { mergeParts } from "../distribute/merge.ts";
import { partName, type ScorePart } from "../distribute/part.ts";
import { takes } from "../options/check.ts";
import type { OptionsOf } from "../options/kinds.ts";
import { criterionOf } from "../criteria/table.ts";
import { criterion } from "./kinds.ts";

const kinds = {
  /** The criterion that the parts are of, where it is one of your own; parts name those that come with Secateur. */
  criterion: criterion.optional(),
};
const settle = takes("mergeScores", kinds);

export interface MergeScoresOptions extends OptionsOf<typeof kinds> {}

/**
 * Puts the parts together that `score` measured with a `shard` each. What comes of it is, to the last bit, what `score`
 * measures without one: each part holds what every minibatch of it gives, and these are averaged in their order. The
 * same part may be given twice.
 *
 * @example
 * import { load, mergeScores, openDataset, score } from "secateur";
 *
 * const model = await load("model.onnx");
 * const data = await openDataset("mnist:data/mnist", { split: "train" });
 * const parts = [];
 * for (const index of [1, 2]) parts.push(await score(model, { data, batchSize: 64, shard: { index, of: 2 } }));
 * for (const [group, importances] of await mergeScores(parts)) console.log(group, importances.length);
 *
 * @param parts as `score` gives them, or read from their JSON
 * @throws SecateurError `bad-plan` naming what is missing, damaged, given twice with different contents, of another
 * version, or made of another model, other data or other options
 */
export async function mergeScores(parts: readonly ScorePart[], given: MergeScoresOptions = {}): Promise<Scores> {
  const { criterion } = settle(given);
  const named = parts.map((part, at) => ({ name: partName(part, at), part }));
  return (await mergeParts(named, criterion && criterionOf(criterion))).scores;
}
