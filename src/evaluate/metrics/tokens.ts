/** Token by token: what a model says at each place, and what is right there. */

import { fail } from "../../graph/error.ts";
import { toNumbers, type Tensor } from "../../graph/tensor.ts";
import { sameShape } from "../../ops/emitter.ts";
import type { CountedSettings, MetricBatch } from "../../options/metric.ts";
import type { Looked } from "./metric.ts";
import { classAxis, classesAlong, classIds, outputOf, refuseShapes, targetOf, type Classes } from "./taken.ts";

type Name = "token-accuracy" | "perplexity";
type Settings = CountedSettings<Name>;

/** Places that count: the class that is right at each. */
export interface Right {
  readonly scores: Classes;
  /** Calls back for each place that counts. */
  each(see: (place: number, right: number) => void): void;
}

export const takes =
  "scores [N, T, C], or with the classes along another axis, with class ids int64 of the other axes; without a " +
  "target the next token of the input input_ids";

export function rightTokens(metric: Name, settings: Settings, looked: Looked, batch: MetricBatch): Right {
  const output = outputOf(metric, batch, looked.output);
  const tokens = tokensOf(metric, settings, batch);
  if (tokens) return nextTokens(metric, settings, batch, looked, output, tokens);
  const target = targetOf(metric, batch, looked.output, settings);
  const axis = classAxis(output, target, settings.axis ?? looked.axis, [-1, 1]);
  if (axis === undefined) return refuseShapes(metric, takes, looked.output, output, target);
  const scores = classesAlong(output, axis);
  const ids = classIds(metric, target, scores.classes, settings.ignore);
  const counts = settings.mask === undefined ? undefined : maskOf(metric, settings.mask, batch, target);
  return {
    scores,
    each: (see) => ids.forEach((id, place) => id !== settings.ignore && counts?.[place] !== 0 && see(place, id)),
  };
}

/** The input whose next token is to be told: the one that was named, or that of a model without targets. */
function tokensOf(metric: Name, { tokens }: Settings, { inputs, target, targets = {} }: MetricBatch) {
  if (tokens !== undefined)
    return (
      inputs[tokens] ??
      fail(
        "bad-option",
        `${metric} takes the tokens of "${tokens}"; the inputs are "${Object.keys(inputs).join('", "')}"`,
      )
    );
  if (target !== undefined || Object.keys(targets).length > 0) return undefined;
  const found = inputs["input_ids"] ?? inputs[""];
  return found?.dtype === "int64" ? found : undefined;
}

function maskOf(metric: Name, name: string, { inputs }: MetricBatch, { shape }: Tensor): number[] {
  const mask = inputs[name] ?? fail("bad-option", `${metric} takes the mask "${name}", which is no input of the data`);
  if (!sameShape(mask.shape, shape))
    fail(
      "bad-data",
      `${metric}: the mask "${name}" is [${mask.shape.join(", ")}], and the tokens [${shape.join(", ")}]`,
    );
  return toNumbers(mask);
}

/** What is said at a token is of the next one, as far as that is there and counts. */
function nextTokens(
  metric: Name,
  { ignore, mask }: Settings,
  batch: MetricBatch,
  looked: Looked,
  output: Tensor,
  tokens: Tensor,
): Right {
  const [samples, length] = tokens.shape;
  if (tokens.shape.length !== 2 || output.shape.length !== 3 || !sameShape(output.shape.slice(0, 2), tokens.shape))
    return refuseShapes(metric, "scores [N, T, C] for tokens [N, T]", looked.output, output, tokens);
  const scores = classesAlong(output, 2);
  const ids = classIds(metric, tokens, scores.classes, ignore);
  const name = mask ?? (batch.inputs["attention_mask"] ? "attention_mask" : undefined);
  const counts = name === undefined ? undefined : maskOf(metric, name, batch, tokens);
  return {
    scores,
    each(see) {
      for (let n = 0; n < samples!; n++)
        for (let t = 0; t + 1 < length!; t++) {
          const place = n * length! + t;
          const next = ids[place + 1]!;
          if (next !== ignore && counts?.[place + 1] !== 0) see(place, next);
        }
    },
  };
}

/** A mean over tokens, of which there has to be one. */
export const meanOfTokens = (metric: Name, sum: number, count: number): number =>
  count > 0 ? sum / count : fail("bad-data", `${metric}: there is no token that counts`);
