/** Soft Dice: how much of two areas is common to both. */

import { float32, sizeOf, toNumbers, type Shape } from "../../graph/tensor.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import type { SettingsOf } from "../../options/loss.ts";
import { axisFrom, classesFirst, classesForm, defineLoss, sharesOf, type LossDefinition } from "./loss.ts";
import { leastOver, meanOf } from "./statistics.ts";

type Settings = SettingsOf<"dice">;
const usual = { smooth: 1 } as const;

const about = {
  name: "dice",
  summary: "areas, by the share of them that overlaps, so that small ones count as much as large ones",
  equation: "E_n = 1 - mean over channels of (2 Σ p t + s) / (Σ p + Σ t + s)",
  details:
    "The sums go over the places of a channel. s is `smooth`, by default 1. Without `axis` p = σ(y), and areas may " +
    "overlap. With it, or where the output ends in a Softmax, p = softmax(y) along that axis, and t is 1 at the " +
    "label. Take it for the intersection over union (IoU), too: of one channel, with s = 0, the IoU is D / (2 - D) " +
    "for D = 1 - E_n, so a better D is a better IoU.",
  takes:
    "an output [N, C, d...], or [N, d] of one channel; float32 masks in the same shape. With `axis` an output of " +
    "classes along it, and int64 class ids of the other axes",
  source: "Milletari et al. 2016, V-Net, section 3, with the sums of Sudre et al. 2017, eq. 2; Dice 1945",
} as const;

/** 1 - the mean over channels of the overlap; p and t are [N, C, places]. */
function apart(g: Emit, p: Value, t: Value, smooth: number): Value {
  const over = (value: Value): Value => g.summed(value, [2]);
  const common = g.Add(g.Mul(over(g.Mul(p, t)), g.scalar(2)), g.scalar(smooth));
  const both = g.Add(g.Add(over(p), over(t)), g.scalar(smooth));
  return g.Sub(g.scalar(1), g.ReduceMean(g.Div(common, both), g.ints([1]), { keepdims: 0 }));
}

/** [N, C, places]; without further axes the numbers of a sample are the places of one channel. */
function channelsOf([n, ...more]: Shape): Shape {
  const channels = more.length < 2 ? 1 : more[0]!;
  return [n!, channels, sizeOf(more) / channels];
}

/** Each class of several is a channel. */
const ofClasses: LossDefinition<Settings> = {
  ...about,
  activation: "softmax",
  distribution: "categorical",
  axis: ({ axis }, rank) => axisFrom(axis, rank),
  target: (output, { axis }) => classesForm("dice", output, axis),
  perSample(g, { output, target, settings: { axis, smooth = usual.smooth }, mix }) {
    const logits = classesFirst(g, output, axisFrom(axis, output.shape.length));
    const [n, classes, ...more] = logits.shape as [number, number, ...number[]];
    const own = g.OneHot(target!, g.ints([classes]), g.constant(float32([2], [0, 1])), { axis: 1 });
    const flat = (value: Value): Value => g.reshaped(value, [n, classes, sizeOf(more)]);
    return apart(g, flat(g.Softmax(logits, { axis: 1 })), flat(mix(own)), smooth);
  },
  chance({ target, form, settings: { smooth = usual.smooth } }) {
    const { classes } = form!;
    const places = sizeOf(target!.shape.slice(1));
    const labels = toNumbers(target!);
    const overlaps = Array.from({ length: target!.shape[0]! * classes }, (_, i) => {
      const [sample, own] = [Math.floor(i / classes), i % classes];
      const count = labels.slice(sample * places, (sample + 1) * places).filter((label) => label === own).length;
      return ((2 * count) / classes + smooth) / (places / classes + count + smooth);
    });
    return 1 - meanOf(overlaps);
  },
};

/** Each channel is an area of its own. */
const ofMasks: LossDefinition<Settings> = {
  ...about,
  activation: "sigmoid",
  distribution: "bernoulli",
  target: (output) => sharesOf("dice", output),
  perSample(g, { output, target, settings: { smooth = usual.smooth }, mix }) {
    const shape = channelsOf(output.shape);
    return apart(g, g.reshaped(g.Sigmoid(output), shape), g.reshaped(mix(target!), shape), smooth);
  },
  chance({ target, settings: { smooth = usual.smooth } }) {
    const [n, channels, places] = channelsOf(target!.shape) as [number, number, number];
    const values = toNumbers(target!);
    const areas = Array.from({ length: n * channels }, (_, i) =>
      values.slice(i * places, (i + 1) * places).reduce((sum, value) => sum + value, 0),
    );
    const of = (p: number): number =>
      1 - meanOf(areas.map((area) => (2 * p * area + smooth) / (p * places + area + smooth)));
    return leastOver(of, 0, 1);
  },
};

export const dice = defineLoss<"dice">({
  ...ofMasks,
  name: about.name,
  variant: ({ axis }) => (axis === undefined ? ofMasks : ofClasses),
});
