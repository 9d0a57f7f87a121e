/** The loss of a job where nobody has said it: cross-entropy of labels, or what fits the outputs of the model. */

import type { Dataset } from "../data/batches.ts";
import { executable } from "../execute/executable.ts";
import { runBatch } from "../execute/whole-batch.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { isFloat, toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Targets } from "../options/learning.ts";
import type { Loss, LossSettings } from "../options/loss.ts";
import { headOf } from "../passes/heads.ts";
import { endsInClasses } from "../passes/class-scores.ts";
import { widen } from "../passes/widen.ts";
import type { MachineOptions, Runtime } from "../runtime/port.ts";

/** What a job was told of its objective. */
export interface Asked extends MachineOptions {
  readonly loss?: Loss | "auto" | undefined;
  readonly targets?: Targets | "teacher" | undefined;
  readonly data?: Dataset | undefined;
  readonly batchSize: number;
  readonly seed?: number | undefined;
  readonly onNote?: ((text: string) => void) | undefined;
}

/**
 * The loss that was asked for. Where that is "auto", it is cross-entropy for labels. For what is compared with the
 * model itself every output has one: classes and yes-or-no by their probabilities, numbers by their squares in units of
 * their spread, so that no output drowns another.
 *
 * @param graph the model with an open batch
 */
export async function lossFor(runtime: Runtime, graph: Graph, asked: Asked): Promise<Loss> {
  const { loss = "auto", targets = "labels" } = asked;
  if (loss !== "auto") return loss;
  return targets === "labels" ? "cross-entropy" : fittingLoss(runtime, graph, asked);
}

/** What fits each output of a model, by what the output ends in. */
async function fittingLoss(runtime: Runtime, graph: Graph, asked: Asked): Promise<Loss> {
  const wide = widen(graph);
  const [first, ...others] = wide.outputs;
  if (
    first &&
    others.length === 0 &&
    (headOf(wide, first.name)?.activation === "softmax" || endsInClasses(wide, first.name))
  )
    return "cross-entropy";
  const answers = asked.data && (await answersOf(runtime, wide, asked.data, asked));
  const found: LossSettings[] = [];
  const told: string[] = [];
  for (const { name: output, dtype } of wide.outputs) {
    const answer = answers?.get(output);
    const reason = whyNot(dtype, answer, asked.batchSize);
    if (reason !== undefined) {
      told.push(`"${output}" is left alone, as ${reason}`);
      continue;
    }
    const activation = headOf(wide, output)?.activation;
    if (activation === "softmax") found.push({ kind: "cross-entropy", output });
    else if (activation === "sigmoid") found.push({ kind: "bce", output });
    else found.push({ kind: "mse", output, weight: answer ? 1 / varianceOf(answer) : 1 });
    told.push(`"${output}" by ${ways[activation ?? "none"]}`);
  }
  if (found.length === 0)
    fail(
      "unsupported",
      `nothing that the model puts out can be compared: ${told.join("; ")}. Say how by ${option("loss")}`,
    );
  asked.onNote?.(`outputs are compared with the original's: ${told.join("; ")}`);
  return found;
}

const ways = {
  softmax: "the probabilities of its classes",
  sigmoid: "its probabilities of yes and no",
  none: "the square of the distance, in units of its spread",
} as const;

function whyNot(dtype: string, answer: Tensor | undefined, batch: number): string | undefined {
  if (!isFloat(dtype as Tensor["dtype"])) return `it holds ${dtype}`;
  if (answer === undefined) return undefined;
  if (answer.shape[0] !== batch) return `its samples do not lie along its first axis ([${answer.shape.join(", ")}])`;
  return varianceOf(answer) > 0 ? undefined : "it is the same everywhere";
}

/** What a model gives for the first minibatch of the data. */
async function answersOf(
  runtime: Runtime,
  graph: Graph,
  data: Dataset,
  { batchSize, seed = 0, ...machine }: Asked,
): Promise<ReadonlyMap<string, Tensor>> {
  await using session = await runtime.load(executable(graph, machine.device), machine);
  for await (const batch of data.batches({
    batchSize,
    shuffle: true,
    seed,
    limit: 1,
    dropLast: data.size === undefined || data.size >= batchSize,
  })) {
    const results = await runBatch(session, graph, batch);
    return new Map(Object.entries(results));
  }
  return fail("bad-data", `"${data.name}" has no samples`);
}

/** The mean square of what numbers are above or below the mean of all. */
function varianceOf(value: Tensor): number {
  const values = toNumbers(value);
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  return values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length;
}
