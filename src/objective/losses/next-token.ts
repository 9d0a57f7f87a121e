/** The cross-entropy of the next token, of language models. */

import { fail, option } from "../../graph/error.ts";
import { tensor } from "../../graph/tensor.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import type { SettingsOf } from "../../options/loss.ts";
import { defineLoss, type LossInputs } from "./loss.ts";

type Settings = SettingsOf<"next-token">;

const usual = { tokens: "input_ids", mask: "attention_mask" } as const;

export const nextToken = defineLoss<"next-token">({
  name: "next-token",
  summary: "the next token at each place of a text, of a language model",
  equation: "E_n = -mean over places t that count of log softmax(y_t) at the token of place t + 1",
  details:
    "A place counts where the mask is not 0 at it and at the next, and the next token is not `ignore`. Where no " +
    "place counts, E_n is 0.",
  takes:
    "an output [N, T, V]; tokens [N, T] from the model's input `input_ids`, or from the input or target that " +
    "`tokens` names; a mask [N, T] from the model's input `attention_mask`, if it has one, or from the input that " +
    "`mask` names",
  source: "Bengio et al. 2003, A Neural Probabilistic Language Model, section 2; torch.nn.CrossEntropyLoss",
  activation: "softmax",
  distribution: "categorical",
  mixes: false,
  axis: (_, rank) => rank - 1,
  target({ name, shape, has }, { tokens = usual.tokens, ignore }) {
    if (shape.length !== 3 || shape[1]! < 2)
      fail(
        "unsupported",
        `next-token needs an output of [N, tokens, words] with two tokens at least; "${name}" is ` +
          `[${shape.join(", ")}]`,
      );
    if (has(tokens)) return undefined;
    if (tokens === usual.tokens)
      fail(
        "bad-option",
        `next-token takes the tokens from the input "${tokens}", which the model does not have: name the input, or ` +
          `the target of the data, by ${option("loss", { kind: "next-token", tokens: "NAME" })}`,
      );
    return { dtype: "int64", shape: shape.slice(0, 2), classes: shape[2]!, ignore, name: tokens };
  },
  perSample(g, inputs) {
    const { output, target, settings } = inputs;
    const [n, length, words] = output.shape as [number, number, number];
    const tokens = target ?? tokensOf(g, inputs);
    const next = g.sliced(tokens, [1], [1], [length]);
    const logProbability = g.LogSoftmax(g.sliced(output, [1], [0], [length - 1]), { axis: 2 });
    // What is ignored may be no token at all.
    const id = g.Clip(next, int64(g, 0), int64(g, words - 1));
    const own = g.GatherElements(logProbability, g.Unsqueeze(id, g.ints([2])), { axis: 2 });
    const picked = g.reshaped(own, [n, length - 1]);
    const counts = countsOf(g, inputs, settings.ignore === undefined ? undefined : next);
    if (counts === undefined) return g.Neg(g.ReduceMean(picked, g.ints([1]), { keepdims: 0 }));
    const total = g.Max(g.summed(counts, [1]), g.scalar(1));
    return g.Neg(g.Div(g.summed(g.Mul(picked, counts), [1]), total));
  },
  counts(g, inputs) {
    const { output, settings, has } = inputs;
    const [n, length] = output.shape as [number, number, number];
    const known = settings.ignore !== undefined && has(settings.tokens ?? usual.tokens);
    const next = known ? g.sliced(tokensOf(g, inputs), [1], [1], [length]) : undefined;
    const counts = countsOf(g, inputs, next) ?? g.filled(1, [n, length - 1]);
    return g.padded(counts, [0, 0], [0, 1]);
  },
  chance: ({ output }) => Math.log(output.at(-1)!),
});

type Told = Pick<LossInputs<Settings>, "output" | "settings" | "has" | "other">;

const int64 = (g: Emit, value: number): Value => g.constant(tensor("int64", [], [value]));

/** The tokens of the model's own input, int64 [N, T]. */
function tokensOf(g: Emit, { output, settings: { tokens = usual.tokens }, other }: Told): Value {
  const value = other(tokens);
  checkPlaces(output, tokens, value);
  return value.dtype === "int64" ? value : g.Cast(value, { to: 7 });
}

/** 0 and 1 for each place but the last, [N, T - 1]; nothing where all count. */
function countsOf(g: Emit, { output, settings, has, other }: Told, next: Value | undefined): Value | undefined {
  const { mask = has(usual.mask) ? usual.mask : undefined, ignore } = settings;
  const length = output.shape[1]!;
  const parts: Value[] = [];
  if (mask !== undefined) {
    const value = other(mask);
    checkPlaces(output, mask, value);
    const counts = g.Cast(g.Cast(value, { to: 9 }), { to: 1 });
    parts.push(g.sliced(counts, [1], [0], [length - 1]), g.sliced(counts, [1], [1], [length]));
  }
  if (next !== undefined) parts.push(g.Cast(g.Not(g.Equal(next, int64(g, ignore!))), { to: 1 }));
  const [first, ...others] = parts;
  return first && others.reduce((product, part) => g.Mul(product, part), first);
}

function checkPlaces({ name, shape }: Value, of: string, value: Value): void {
  if (value.shape.join() === shape.slice(0, 2).join()) return;
  fail(
    "bad-option",
    `next-token needs a number for each place of "${name}" [${shape.join(", ")}]; "${of}" is ` +
      `[${value.shape.join(", ")}]`,
  );
}
