/** The loss of what a model gave: a small graph of its own, for any losses. */

import { executable } from "../execute/executable.ts";
import { hasTarget, nothingCounts, targetFeeds } from "../execute/feeds.ts";
import type { Batch } from "../data/batches.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { finishGraph } from "../objective/backward.ts";
import type { FileTerm } from "../objective/loss-file.ts";
import { appendTerms, failOther, type ObjectiveInputs, type TargetInput } from "../objective/objective.ts";
import type { Term } from "../objective/terms.ts";
import type { Value } from "../ops/core/define.ts";
import { valueIn } from "../ops/emitter.ts";
import type { MachineOptions, Runtime, Session, Tensors } from "../runtime/port.ts";

export interface LossMeter extends AsyncDisposable {
  /**
   * The mean loss over the samples of a minibatch; nothing where losses take targets and the data has none.
   *
   * @param values what losses look at, outputs and inputs of the model, by name
   * @param teacher the same of the model that it is compared with, where targets come from one
   * @throws SecateurError `bad-data` where targets are missing or do not fit
   */
  lossOf(values: Tensors, batch: Batch, teacher?: Tensors): Promise<number | undefined>;
  /** Whether all targets so far were class ids that the losses ignore. */
  readonly countsNothing: boolean;
  /** The targets that losses take, once one has been computed or missed. */
  readonly wanted: readonly TargetInput[];
}

interface Opened {
  readonly graph: Graph;
  readonly objective: ObjectiveInputs;
  readonly session: Session;
}

/** What is measured. */
interface Measured {
  readonly terms: readonly Term[];
  readonly files: readonly FileTerm[];
}

/** @param from what outputs are compared with: targets of the data, or what another model gives */
export function openLossMeter(
  runtime: Runtime,
  measured: Measured,
  machine: MachineOptions,
  from: "targets" | "teacher" = "targets",
): LossMeter {
  // The last minibatch may be smaller, and sizes may differ.
  const opened = new Map<string, Opened>();
  const open = async (values: Tensors): Promise<Opened> => {
    // A file may take any of the values.
    const looked = measured.files.length > 0 ? Object.keys(values) : measured.terms.map(({ value }) => value);
    const key = looked.map((name) => values[name]!.shape.join()).join(";");
    const known = opened.get(key);
    if (known) return known;
    const { graph, objective } = lossGraph(measured, values, from);
    const made = { graph, objective, session: await runtime.load(executable(graph, machine.device), machine) };
    opened.set(key, made);
    return made;
  };
  let wanted: readonly TargetInput[] = [];
  let [runs, ignored] = [0, 0];
  return {
    get countsNothing() {
      return runs > 0 && ignored === runs;
    },
    get wanted() {
      return wanted;
    },
    async lossOf(values, batch, teacher = {}) {
      const { graph, objective, session } = await open(values);
      wanted = objective.targets;
      if (objective.targets.length > 0 && !hasTarget(batch, objective.targets)) return undefined;
      const targets = targetFeeds(graph.inputs, objective, batch);
      runs++;
      if (nothingCounts(objective, targets)) ignored++;
      const theirs = Object.fromEntries(objective.teachers.map(({ input, value }) => [input, teacher[value]!]));
      const own = graph.inputs.map(({ name }) => [name, targets[name] ?? theirs[name] ?? values[name]!] as const);
      return Number((await session.run(Object.fromEntries(own)))["loss"]!.data[0]);
    },
    async [Symbol.asyncDispose]() {
      for (const { session } of opened.values()) await session.dispose();
    },
  };
}

/** All of the loss from another model, at the temperature of its own probabilities. */
const taught = { distillation: { weight: 1, temperature: 1 } } as const;

function lossGraph(
  { terms, files }: Measured,
  values: Tensors,
  from: "targets" | "teacher",
): { graph: Graph; objective: ObjectiveInputs } {
  const builder = GraphBuilder.empty("loss");
  const other = (name: string): Value => {
    const { dtype, shape } = values[name] ?? failOther(name);
    if (!builder.types.has(name)) builder.input(name, { dtype, shape }, true);
    return valueIn(builder, name);
  };
  for (const { value } of terms) other(value);
  const options = { files, ...(from === "teacher" && taught) };
  const objective = appendTerms(builder, terms, options, { has: (name) => values[name] !== undefined, other });
  return { graph: finishGraph(builder, ["loss"]), objective };
}
