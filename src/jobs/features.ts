/** The values inside a model that what is cut of it learns to repeat, as a job finds them. */

import type { Graph } from "../graph/graph.ts";
import { toNumbers } from "../graph/tensor.ts";
import type { Targets } from "../options/learning.ts";
import type { Feature } from "../objective/features.ts";
import { varianceOf } from "../objective/losses/statistics.ts";
import { withOutputs } from "../objective/teaching.ts";
import { widen } from "../passes/widen.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import type { Runtime } from "../runtime/port.ts";
import { firstAnswers, type Asked } from "./first-answers.ts";
import { whyNoSpread } from "./fitting-loss.ts";
import { fail, option } from "../graph/error.ts";
import { listed, valuesNamed } from "./feature-names.ts";

/**
 * The features that patterns name. Each is measured in units of its variance on the first minibatch, and the mean of
 * all counts as much as one output: so none drowns another, and together they don't drown the outputs.
 *
 * @param file the graph as the file has it
 * @param graph the original, with an open batch
 * @throws SecateurError `bad-option` for patterns that name nothing that can be compared
 */
export async function featuresOf(
  runtime: Runtime,
  file: Graph,
  graph: Graph,
  patterns: readonly string[],
  asked: Asked,
): Promise<readonly Feature[]> {
  const wide = widen(graph);
  const { values, others } = valuesNamed(analyse(wide, { batch: asked.batchSize }), file, patterns);
  const names = values.map(({ value }) => value);
  const { answers } = await firstAnswers(runtime, withOutputs(wide, names), asked.data!, asked);
  const left = [...others];
  const spread = values.flatMap(({ value, axis }) => {
    const reason = whyNoSpread(answers[value]!);
    if (reason !== undefined) left.push(`"${value}", as ${reason}`);
    return reason === undefined ? [{ value, axis, variance: varianceOf(toNumbers(answers[value]!)) }] : [];
  });
  if (spread.length === 0)
    fail("bad-option", `${option("features")} names nothing that can be compared: ${listed(left)}`);
  if (left.length > 0) asked.onNote?.(`features leave out ${listed(left)}`);
  asked.onNote?.(
    `${spread.length} feature${spread.length === 1 ? " is" : "s are"} compared with the original's: ` +
      listed(spread.map(({ value }) => `"${value}"`)),
  );
  return spread.map((one) => ({ ...one, weight: 1 / spread.length }));
}

/** Fails where features are asked for and nothing is learned from the original. */
export function refuseUntaught(options: {
  readonly features?: readonly string[] | undefined;
  readonly targets: Targets | "teacher";
  readonly distil: number;
}): void {
  const { features, targets, distil } = options;
  if (features !== undefined && targets === "labels" && distil === 0)
    fail(
      "bad-option",
      `${option("features", features)} says what is learned from the original, and nothing is: use ` +
        `${option("targets", "teacher")} or ${option("distil", 0.5)}`,
    );
}
