/** The loss of a job where nobody has said it: that of labels, or what fits the outputs of the model. */

import { fail, option, SecateurError } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { isFloat, toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Loss, LossSettings } from "../options/loss.ts";
import { varianceOf } from "../objective/losses/statistics.ts";
import { ofClasses, ofYes } from "../objective/chance.ts";
import { headOf, type Head } from "../passes/heads.ts";
import { endsInClasses } from "../passes/class-scores.ts";
import { widen } from "../passes/widen.ts";
import type { Runtime } from "../runtime/port.ts";
import { firstAnswers, type Asked } from "./first-answers.ts";
import { settleFiles } from "./loss-files.ts";

/**
 * The loss that was asked for. For "auto" and labels it is cross-entropy on the first output of floats, or bce where
 * that ends in a Sigmoid. Where the model is compared with itself, every output has a loss: a divergence of
 * probabilities over that of a constant answer, or the squared error of numbers over their variance, so that no output
 * drowns another.
 *
 * @param graph the model with an open batch
 */
export async function lossFor(runtime: Runtime, graph: Graph, asked: Asked): Promise<Loss> {
  const { loss = "auto", targets = "labels" } = asked;
  if (loss !== "auto") return settleFiles(runtime, graph, loss, asked);
  return targets === "labels" ? lossOfLabels(widen(graph)) : fittingLoss(runtime, graph, asked);
}

function lossOfLabels(wide: Graph): Loss {
  const first = wide.outputs.findIndex(({ dtype }) => isFloat(dtype));
  const output = wide.outputs[first]?.name;
  const kind = output !== undefined && headOf(wide, output)?.activation === "sigmoid" ? "bce" : "cross-entropy";
  return first > 0 ? { kind, output } : kind;
}

/**
 * The loss by which another model is compared with this one, whatever there are targets for; none where no output can
 * be compared by one.
 */
export async function distanceFor(runtime: Runtime, graph: Graph, asked: Omit<Asked, "loss" | "targets" | "onNote">) {
  const { device, threads, signal, data, seed } = asked;
  const size = data?.size === undefined ? asked.batchSize : Math.min(asked.batchSize, data.size);
  try {
    return await fittingLoss(runtime, graph, { device, threads, signal, data, seed, batchSize: size });
  } catch (error) {
    if (error instanceof SecateurError && error.code === "unsupported") return [];
    throw error;
  }
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
  const seen = asked.data && (await firstAnswers(runtime, wide, asked.data, asked));
  const found: LossSettings[] = [];
  const told: string[] = [];
  for (const { name: output, dtype } of wide.outputs) {
    const answer = seen?.answers[output];
    const reason = whyNot(dtype, answer, seen?.batch.size ?? asked.batchSize);
    if (reason !== undefined) {
      told.push(`"${output}" is left alone, as ${reason}`);
      continue;
    }
    const activation = headOf(wide, output)?.activation;
    const kind = activation === undefined ? "mse" : activation === "softmax" ? "cross-entropy" : "bce";
    found.push({ kind, output, weight: answer ? 1 / spreadOf(answer, headOf(wide, output), asked.temperature) : 1 });
    told.push(`"${output}" by ${ways[activation ?? "none"]}`);
  }
  if (found.length === 0)
    fail(
      "unsupported",
      `none of the model's outputs can be compared: ${told.join("; ")}. Say how by ${option("loss")}`,
    );
  asked.onNote?.(`outputs are compared with the original's: ${told.join("; ")}`);
  return found;
}

/** How far a constant answer is from an output, at best: so many units of its loss count as much as of any other. */
function spreadOf(answer: Tensor, head: Head | undefined, temperature = 1): number {
  const values = toNumbers(answer);
  if (head === undefined) return varianceOf(values);
  if (head.activation === "sigmoid") return Math.max(leastSpread, ofYes(values));
  const logs = {
    ...answer,
    dtype: "float32",
    data: Float32Array.from(values, (p) => Math.log(Math.max(p, 1e-7))),
  } as const;
  return Math.max(leastSpread, ofClasses(logs, head.axis ?? -1, temperature));
}

/** Probabilities that hardly change, in nats: what little there is to learn of them is not to drown all else. */
const leastSpread = 1e-3;

const ways = {
  softmax: "the probabilities of its classes, over their spread",
  sigmoid: "its probabilities of yes and no, over their spread",
  none: "the squared difference of its numbers, over their variance",
} as const;

function whyNot(dtype: string, answer: Tensor | undefined, batch: number): string | undefined {
  if (!isFloat(dtype as Tensor["dtype"])) return `it holds ${dtype}`;
  if (answer === undefined) return undefined;
  if (answer.shape[0] !== batch) return `its samples do not lie along its first axis ([${answer.shape.join(", ")}])`;
  return whyNoSpread(answer);
}

/** Why distances cannot be in units of the spread of a value. */
export function whyNoSpread(answer: Tensor): string | undefined {
  const variance = varianceOf(toNumbers(answer));
  if (!Number.isFinite(variance)) return "it holds numbers that are not finite";
  if (variance > mostVariance) return "its numbers are too large for squares of float32";
  const largest = toNumbers(answer).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return Math.sqrt(variance) > rounding * largest ? undefined : "it is the same everywhere";
}

/** What float32 leaves of a number that is the same everywhere, as a share of it. */
const rounding = 1e-6;

/** Squares of float32 end at 3.4e38. */
const mostVariance = 1e34;
