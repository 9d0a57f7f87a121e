/** The model that another was cut of, and learns from: opened beside it, with what is left of its values. */

import { z } from "zod";
import { prepareOn } from "../execute/prepare.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph, Model, Positions } from "../graph/graph.ts";
import type { Feature } from "../objective/features.ts";
import { sameShape } from "../ops/emitter.ts";
import { having, positive, share, type OptionsOf } from "../options/kinds.ts";
import { features, targets } from "../options/learning.ts";
import type { Loss } from "../options/loss.ts";
import { widen } from "../passes/widen.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { cut } from "../prune/cut/cut.ts";
import { withPositions } from "../prune/cut/positions.ts";
import { removalOf, type KeptUnits } from "../prune/select/plan.ts";
import type { TaughtOptions } from "../train/options.ts";
import { featuresOf, refuseUntaught } from "./features.ts";
import type { Asked } from "./first-answers.ts";
import { lossFor } from "./fitting-loss.ts";
import type { OpenedModel } from "./opened.ts";

/** What a job can be told of the model that another learns from. */
export const teaching = {
  /** The model to learn from, such as the one that was cut; its inputs and outputs are the same. */
  teacher: having<Model>("a model, as load gives it").optional(),
  /** What is learned from; default the labels. Without labels all comes from the teacher. */
  targets,
  /** The share of the teacher's outputs in the loss beside labels; default 0. */
  distil: share.default(0).describe("share of the original's outputs in the loss"),
  /** What logits are divided by to distil; default 4. */
  temperature: positive.default(4).describe("what logits are divided by to distil"),
  /** Values inside that are to be as in the teacher, as {@link prune} takes them; default none. */
  features: features.optional(),
  /** Which units of the teacher are left in the model, as {@link prune} tells; or say which were removed. */
  kept: having<KeptUnits>("units by group, as `kept` of what prune gives", "get", "keys").optional(),
  /** Which units of the teacher were removed, as {@link plan} tells. */
  removal: having<Removal>("units by group, as `removal` of what plan gives", "get", "keys").optional(),
};
export interface TeachingOptions extends OptionsOf<typeof teaching> {}
type Settled = z.output<z.ZodObject<typeof teaching>>;

/** A model that has a teacher. */
export interface Taught {
  /** As it was, with an account of what is left of the features. */
  readonly graph: Graph;
  readonly loss: Loss;
  readonly teacher: TaughtOptions["teacher"];
  /** Where all is learned from it: by what a model is measured that has no labels. */
  readonly original: Graph | undefined;
}

/**
 * Opens the teacher.
 *
 * @param opened the one who learns, with the loss of labels
 * @param asked what its job was told
 * @throws SecateurError `bad-option` for a teacher that is not learned from, or the other way round, and for features
 * of which nobody knows what is left. `bad-model` for a teacher of other inputs or outputs
 */
export async function openTaught(
  { runtime, sized, graph, batchSize }: OpenedModel<Asked>,
  asked: Asked & Settled,
): Promise<Taught> {
  const { teacher, targets: source, distil, temperature } = asked;
  refuseUntaught(asked);
  const isTaught = source === "teacher" || distil > 0;
  if (source === "sampled") fail("bad-option", `${option("targets", "sampled")} is for importance: nothing is learned`);
  if (teacher === undefined) {
    if (isTaught) fail("bad-option", `say which model is learned from by ${option("teacher")}`);
    return { graph, loss: sized.loss, teacher, original: undefined };
  }
  if (!isTaught)
    fail(
      "bad-option",
      `there is a teacher, and nothing is learned from it: use ${option("targets", "teacher")} or ` +
        option("distil", 0.5),
    );
  const { graph: original } = await prepareOn(runtime, teacher, sized);
  requireSameEnds(graph, original, batchSize);
  const own = { ...asked, ...sized, loss: asked.loss, targets: source, batchSize };
  const loss = source === "teacher" ? await lossFor(runtime, original, own) : sized.loss;
  const found = asked.features && (await featuresOf(runtime, teacher.graph, original, asked.features, own));
  const learner = found ? placed(graph, original, found, asked) : graph;
  const shared = { graph: original, temperature, features: found };
  return source === "teacher"
    ? { graph: learner, loss, teacher: { ...shared, weight: 1 }, original }
    : { graph: learner, loss, teacher: { ...shared, weight: distil }, original: undefined };
}

/** The model with an account of what is left of the teacher's values. */
function placed(graph: Graph, original: Graph, features: readonly Feature[], asked: Asked & Settled): Graph {
  const names = features.map(({ value }) => value);
  const start = widen(withPositions(original, names));
  const before = analyse(start);
  const removal = asked.removal ?? (asked.kept && removalOf(before, asked.kept));
  const positions = removal ? cut(start, before, removal).graph.positions! : start.positions!;
  const now = analyse(widen(graph));
  const left = new Map([...positions].filter(([name]) => fits(name, positions, [before, now], removal !== undefined)));
  const gone = names.filter((name) => !left.has(name));
  if (left.size === 0) fail("bad-option", `nothing is left in the model of ${named(gone)}: choose other features`);
  if (gone.length > 0)
    asked.onNote?.(`${named(gone)} went with a whole group, and is not compared with the original any more`);
  return { ...graph, positions: left };
}

const named = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");

/** Whether the model has what should be left of a value; not where it computes none of that name. */
function fits(
  name: string,
  positions: Positions,
  [before, now]: readonly [Analysis, Analysis],
  isTold: boolean,
): boolean {
  const [whole, own] = [before, now].map(({ traced }) => traced.types.get(name)?.shape);
  if (!now.producers.has(name) || whole === undefined || own === undefined) return false;
  const axes = positions.get(name)!;
  if (
    sameShape(
      whole.map((size, axis) => axes.get(axis)?.left.length ?? size),
      own,
    )
  )
    return true;
  const [there, here] = [whole, own].map((shape) => `[${shape.slice(1).join(", ")}]`);
  const sizes = `"${name}" is ${there} in the teacher and ${here} in the model`;
  return fail(
    "bad-option",
    isTold
      ? `${sizes}, which is not what the units that are left come to: the model was cut otherwise, or of another one`
      : `${sizes}, and a file does not say which units are left: give kept.json of the run that pruned it, or the ` +
          `plan that it was cut by, by ${option("kept")}`,
  );
}

/** Fails where the models take or give other things, but for names of sizes. */
function requireSameEnds(graph: Graph, original: Graph, batch: number): void {
  const [own, theirs] = [graph, original].map((one) => {
    const { types } = analyse(widen(one), { batch }).traced;
    const form = ({ name }: { readonly name: string }): string =>
      `"${name}" ${types.get(name)?.dtype ?? "?"} [${types.get(name)?.shape.slice(1).join(", ") ?? "?"}]`;
    return [...one.inputs, ...one.outputs].map(form);
  });
  const other = own!.findIndex((form, i) => form !== theirs![i]);
  if (other >= 0 || own!.length !== theirs!.length)
    fail(
      "bad-model",
      `the teacher takes and gives other things than the model: ${theirs![Math.max(other, 0)] ?? "nothing"} in the ` +
        `place of ${own![Math.max(other, 0)] ?? "nothing"}`,
    );
}
