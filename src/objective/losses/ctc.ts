/** Connectionist temporal classification: labels in their order, without the steps at which they are. */

import { fail } from "../../graph/error.ts";
import { float32, int64s, tensor, toNumbers, type Tensor } from "../../graph/tensor.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import { defineLoss } from "./loss.ts";

/** What fills up targets. */
const padding = -1;
/** The logarithm of what cannot be: finite, so that nothing becomes NaN, and sums of it stay finite. */
const never = -1e30;

export const ctc = defineLoss<"ctc">({
  name: "ctc",
  summary: "texts and other sequences of labels, where nobody knows at which step each label is",
  equation: "E_n = -log Σ over paths that give the labels of Π_t softmax(y_t) at the path",
  details:
    "On a path each label lasts for one or more steps; then comes the next label, or first a blank. The blank is " +
    "class `blank`, by default 0. Equal neighbours have one between them. E_n is that of `torch.nn.CTCLoss` with " +
    "reduction none: it is not divided by the number of labels. Where a sample has too few steps for its labels, " +
    "E_n is 0 and has no gradient, as with PyTorch's `zero_infinity`. A small `length`, where texts are short, saves " +
    "time and memory.",
  takes:
    "an output [N, T, C], or with `time` 0 [T, N, C], of logits or log-probabilities, all of whose steps count; " +
    "int64 class ids [N, L], each row filled up with -1 at its end",
  source: "Graves et al. 2006, Connectionist Temporal Classification, eq. 5 to 8, in logarithms; torch.nn.CTCLoss",
  activation: "softmax",
  distribution: "categorical",
  mixes: false,
  axis: (_, rank) => rank - 1,
  order: ({ time = 1 }) => (time === 1 ? undefined : [1, 0, 2]),
  target({ name, shape }, { blank = 0, length }) {
    if (shape.length !== 3)
      fail("unsupported", `ctc needs an output of [N, steps, classes]; "${name}" is [${shape.join(", ")}]`);
    const [n, steps, classes] = shape as [number, number, number];
    if (blank >= classes) fail("bad-option", `the blank of ctc is class ${blank}; "${name}" has ${classes} classes`);
    return { dtype: "int64", shape: [n, length ?? steps], classes, ignore: padding, never: blank, padding };
  },
  perSample(g, { output, target, settings: { blank = 0 } }) {
    const states = statesOf(g, target!, blank);
    const [, steps] = output.shape as [number, number, number];
    const [n, size] = states.labels.shape as [number, number];
    const logProbability = g.Transpose(g.LogSoftmax(output, { axis: 2 }), { perm: [1, 0, 2] });
    const wanted = g.expanded(g.Unsqueeze(states.labels, g.ints([0])), [steps, n, size]);
    const emitted = g.GatherElements(logProbability, wanted, { axis: 2 });
    const [first, ...others] = g.pieces(emitted, 0);
    const start = Float32Array.from({ length: size }, (_, s) => (s < 2 ? 0 : never));
    const lead = g.filled(never, [1, n, 2]);
    let alpha = g.Add(first!, g.constant(float32([1, 1, size], start)));
    for (const own of others) {
      // Into a state comes what was there, in the one before, and where no blank is needed in the one before that.
      const wide = g.Concat(lead, alpha, { axis: 2 });
      const before = g.sliced(wide, [2], [1], [size + 1]);
      const skipped = g.Add(g.sliced(wide, [2], [0], [size]), states.skips);
      const ways = g.Concat(alpha, before, skipped, { axis: 0 });
      alpha = g.Add(own, g.ReduceLogSumExp(ways, g.ints([0]), { keepdims: 1 }));
    }
    const total = g.ReduceLogSumExp(g.Add(alpha, states.ends), g.ints([0, 2]), { keepdims: 0 });
    return g.Where(g.Greater(total, g.scalar(never / 10)), g.Neg(total), g.filled(0, [n]));
  },
  // Every step has the same probabilities: as many labels as there are on average, each as often as it comes.
  chance({ output, target, settings: { blank = 0 } }) {
    const [n, steps, classes] = output as [number, number, number];
    const rows = rowsOf(target!);
    const counts = new Float64Array(classes);
    for (const label of rows.flat()) counts[label]!++;
    const all = rows.flat().length;
    const logs = counts.map((count, c) => Math.log((c === blank ? Math.max(1, n * steps - all) : count) / (n * steps)));
    return rows.reduce((sum, labels) => sum + constantLoss(labels, logs, steps, blank), 0) / n;
  },
});

/** The labels of each sample. */
function rowsOf(target: Tensor): number[][] {
  const length = target.shape[1]!;
  const ids = toNumbers(target);
  return Array.from({ length: target.shape[0]! }, (_, n) =>
    ids.slice(n * length, (n + 1) * length).filter((id) => id !== padding),
  );
}

/** E_n where every step has the same probabilities; 0 where there are too few steps. */
function constantLoss(labels: readonly number[], logs: Float64Array, steps: number, blank: number): number {
  const states = [blank, ...labels.flatMap((label) => [label, blank])];
  const sum = (values: readonly number[]): number => {
    const most = Math.max(...values);
    return most === -Infinity ? most : most + Math.log(values.reduce((all, one) => all + Math.exp(one - most), 0));
  };
  let alpha = states.map((state, s) => (s < 2 ? logs[state]! : -Infinity));
  for (let step = 1; step < steps; step++)
    alpha = states.map((state, s) => {
      const skips = s > 1 && state !== blank && state !== states[s - 2];
      return logs[state]! + sum([alpha[s]!, alpha[s - 1] ?? -Infinity, skips ? alpha[s - 2]! : -Infinity]);
    });
  const total = sum(alpha.slice(-2));
  return Number.isFinite(total) ? -total : 0;
}

/** The states of a path: a blank, and each label with a blank behind it. */
interface States {
  /** The class of each, int64 [N, 2 L + 1]; blank behind the last label. */
  readonly labels: Value;
  /** 0 where a path may come from two states before, else never, [N, 2 L + 1]. */
  readonly skips: Value;
  /** 0 where a path may end, else never, [N, 2 L + 1]. */
  readonly ends: Value;
}

function statesOf(g: Emit, target: Value, blank: number): States {
  const [n, length] = target.shape as [number, number];
  const size = 2 * length + 1;
  const id = (value: number): Value => g.constant(tensor("int64", [], [value]));
  const blanks = (width: number): Value => g.constant(tensor("int64", [n, width], Array(n * width).fill(blank)));
  const isPadding = g.Equal(target, id(padding));
  const known = g.Where(isPadding, id(blank), target);
  const pairs = g.Concat(g.reshaped(blanks(length), [n, length, 1]), g.Unsqueeze(known, g.ints([2])), { axis: 2 });
  const labels = g.Concat(g.reshaped(pairs, [n, 2 * length]), blanks(1), { axis: 1 });
  const allowed = (condition: Value): Value => g.Where(condition, g.scalar(0), g.scalar(never));
  const [later, earlier] = [g.sliced(labels, [1], [2], [size]), g.sliced(labels, [1], [0], [size - 2])];
  const isNew = g.And(g.Not(g.Equal(later, earlier)), g.Not(g.Equal(later, id(blank))));
  const skips = g.Concat(g.filled(never, [n, 2]), allowed(isNew), { axis: 1 });
  const count = g.summed(g.Cast(g.Not(isPadding), { to: 7 }), [1], true);
  const last = g.Mul(count, id(2));
  const place = g.constant(int64s(Array.from({ length: size }, (_, s) => s)));
  const ends = allowed(g.Or(g.Equal(place, last), g.Equal(place, g.Sub(last, id(1)))));
  return { labels, skips, ends };
}
