/** A choice of units to remove, by one measurement and without learning in between. */

import type { WeightCriterion } from "../criteria/criterion.ts";
import { criterionOf } from "../criteria/table.ts";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { share, type OptionsOf } from "../options/kinds.ts";
import { seed } from "../options/machine.ts";
import { looking } from "../options/model.ts";
import { limits, ranking, scope, scores, type Limits } from "../options/ranking.ts";
import { normalise } from "../passes/normalise.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { refuseWithout } from "../prune/coupling/removal.ts";
import { floorsOf, ratiosOf } from "../prune/select/limits.ts";
import { refuseNothing, refuseOtherScores } from "../prune/select/nothing.ts";
import { selectShare } from "../prune/select/select.ts";
import { withTrial } from "./trial.ts";
import { weightCriterion } from "./kinds.ts";
import { rounding, roundingOf } from "./rounding.ts";

const own = {
  /** The share of units to remove, 0 up to 1 exclusive; default 0: `ratios` alone say what goes. */
  ratio: share.optional(),
  /** Importances as {@link score} gives them. */
  scores: scores.optional(),
  /** What tells importance where there are no scores: a criterion that looks at weights alone; default "magnitude". */
  criterion: weightCriterion.default("magnitude"),
  /** Whether the same share of every group goes, or the least important of all; default "local". */
  scope: scope.default("local"),
  /** What importance is counted per; default a unit, as the share is one of units. */
  per: ranking.per.unwrap().default("unit"),
  /** Of the criterion "random"; default 0. */
  seed,
};
export const kinds = { ...looking, ...limits, ...rounding, ...ranking, ...own };
const settle = takes("plan", kinds);

/** Runtime and device are for `roundTo: "auto"`. */
export interface PlanOptions
  extends
    OptionsOf<typeof looking>,
    Limits,
    OptionsOf<typeof rounding>,
    OptionsOf<typeof ranking>,
    OptionsOf<typeof own> {}

export interface Plan {
  /** What {@link cut} and {@link mask} take; {@link formatPlan} makes a file of it. */
  readonly removal: ReadonlyMap<string, readonly number[]>;
  /** All groups of the model, those that stay whole too. */
  readonly groups: readonly PlannedGroup[];
  /** What the widths of groups that lose units are multiples of. */
  readonly roundTo: number;
}

export interface PlannedGroup {
  readonly name: string;
  readonly units: number;
  readonly removed: number;
}

/**
 * Chooses the units that matter least.
 *
 * @example
 * import { formatPlan, load, plan } from "secateur";
 *
 * const { removal, groups } = await plan(await load("model.onnx"), { ratio: 0.3 });
 * for (const { name, units, removed } of groups) console.log(name, `${removed} of ${units}`);
 * console.log(formatPlan(removal));
 *
 * @throws SecateurError `bad-option` for a share or a pattern that is none. Also for a criterion that takes data,
 * without scores, and where nothing would go. `bad-plan` for scores of another model.
 */
export async function plan(model: Model, given: PlanOptions): Promise<Plan> {
  const options = settle(given, model);
  const { ratio = 0, scope, ratios = new Map() } = options;
  const { graph: whole } = await withTrial(model, options);
  const graph = normalise(whole, options);
  const analysis = analyse(graph);
  refuseWithout(analysis);
  if (options.scores) refuseOtherScores(analysis, options.scores);
  const importances = options.scores ?? ofWeights(options.criterion).score(analysis, graph.initializers, options.seed);
  const roundTo = await roundingOf(options);
  const choice = {
    ratio,
    scope,
    roundTo,
    normalise: options.normalise,
    per: options.per,
    floors: floorsOf(analysis, { ...options, ratios: undefined }),
    ratios: ratiosOf(analysis, ratios),
  };
  const removal = selectShare(analysis, importances, choice);
  refuseNothing(analysis, removal, choice);
  return {
    removal,
    roundTo,
    groups: analysis.groups.map(({ name, units }) => ({
      name,
      units: units.length,
      removed: removal.get(name)?.length ?? 0,
    })),
  };
}

function ofWeights(given: string | WeightCriterion): WeightCriterion {
  const criterion = criterionOf(given);
  return criterion.kind === "weights"
    ? criterion
    : fail("bad-option", `${criterion.name} needs data: score the model by it, and plan by the scores`);
}
