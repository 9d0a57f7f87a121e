/** Experimental operators, gone since opset 10 but still read by onnxruntime, written by those of the standard. */

import type { Attribute, Node } from "../graph/graph.ts";
import { float32 } from "../graph/tensor.ts";
import {
  baseOf,
  beside,
  edit,
  float,
  floats,
  int,
  int64List,
  ints,
  upgradeTo,
  type Upgrade,
  type Upgrading,
} from "./upgrade-step.ts";

/** One operator after the other, each with what it reads besides; the last has the name and the output of the node. */
type Step = readonly [op: string, besides: readonly string[], what: string];

function follow(node: Node, steps: readonly Step[], context: Upgrading): Node[] {
  const all: readonly Step[] = steps.length > 0 ? steps : [["Identity", [], ""]];
  let [from = ""] = node.inputs;
  return all.map(([op, besides, what], i) => {
    const inputs = [from, ...besides];
    if (i === all.length - 1) return { ...beside(op, inputs, node.outputs), name: node.name };
    from = context.fresh(`${baseOf(node)}_${what}`);
    return beside(op, inputs, [from]);
  });
}

/** A number as an input; none where it changes nothing. */
function by(op: "Mul" | "Add", number: number, what: string, node: Node, context: Upgrading): Step[] {
  if (number === (op === "Mul" ? 1 : 0)) return [];
  return [[op, [context.constant(float32([], [number]), `${baseOf(node)}_${what}`)], `${what}_applied`]];
}

/** A step for float32, which is all that these operators ever took. */
const experimental = (since: number, upgrade: Upgrade["upgrade"]): readonly Upgrade[] => [
  upgradeTo(since, (node, context) => {
    const dtype = context.dtype(node.inputs[0] ?? "") ?? "float32";
    return dtype === "float32" ? upgrade(node, context) : context.refuse(node, `is of ${dtype}`);
  }),
];

/** Both numbers have to be given: there was no default. */
function alphaAndBeta(node: Node, context: Upgrading): readonly [number, number] {
  const [alpha, beta] = [float(node, "alpha"), float(node, "beta")];
  return alpha === undefined || beta === undefined
    ? context.refuse(node, "does not say its alpha and its beta")
    : [alpha, beta];
}

/** y = alpha · f(beta · x) */
const scaled = (op: string): readonly Upgrade[] =>
  experimental(10, (node, context) => {
    const [alpha, beta] = alphaAndBeta(node, context);
    const steps = [
      ...by("Mul", beta, "beta", node, context),
      [op, [], op.toLowerCase()] as const,
      ...by("Mul", alpha, "alpha", node, context),
    ];
    return follow(node, steps, context);
  });

/** Rows and columns off an image: as many as the border says, or all but as many as stay. */
const crop = experimental(10, (node, context) => {
  const [left, top, right, bottom, ...more] = ints(node, "border") ?? [];
  const stays = ints(node, "scale") ?? [];
  const numbers = [left, top, right, bottom].map((n) => n ?? -1);
  if (more.length > 0 || numbers.some((n) => n < 0) || (stays.length !== 0 && stays.length !== 2))
    return context.refuse(node, "does not say its border by four numbers");
  const [x, y, fromRight, fromBottom] = numbers as [number, number, number, number];
  const end = (taken: number): number => (taken === 0 ? Number.MAX_SAFE_INTEGER : -taken);
  const ends = stays.length === 2 ? [y + stays[0]!, x + stays[1]!] : [end(fromBottom), end(fromRight)];
  const input = (what: string, values: readonly number[]): string =>
    context.constant(int64List(values, node), `${baseOf(node)}_${what}`);
  const inputs = [node.inputs[0] ?? "", input("starts", [y, x]), input("ends", ends), input("axes", [2, 3])];
  return { ...edit(node, ["border", "scale"]), op: "Slice", inputs };
});

/** x · scale and a number for each channel */
const imageScaler = experimental(10, (node, context) => {
  const bias = floats(node, "bias") ?? [];
  const shift = float32([bias.length, 1, 1], bias);
  const steps: Step[] = by("Mul", float(node, "scale") ?? 1, "scale", node, context);
  if (bias.length > 0) steps.push(["Add", [context.constant(shift, `${baseOf(node)}_bias`)], "shifted"]);
  return follow(node, steps, context);
});

/** Without its variance, or over axes that 9 says; both are over the batch too. */
const meanVarianceNormalization = experimental(9, (node, context) => {
  const across = int(node, "across_channels") ?? 0;
  const bare = edit(node, ["across_channels", "normalize_variance"]);
  if (context.rank(node.inputs[0] ?? "") !== 4) return context.refuse(node, "has other axes than those of images");
  const all: Attribute = { type: "ints", value: across === 0 ? [0, 2, 3] : [0, 1, 2, 3] };
  if (int(node, "normalize_variance") !== 0) return edit(bare, [], { axes: all });
  const mean = context.fresh(`${baseOf(node)}_mean`);
  const [x = ""] = node.inputs;
  return [beside("ReduceMean", [x], [mean], { axes: all }), { ...bare, op: "Sub", inputs: [x, mean] }];
});

/** For every such operator the step in which it went. */
export const experiments: Readonly<Record<string, readonly Upgrade[]>> = {
  Affine: experimental(10, (node, context) => {
    const [alpha, beta] = [float(node, "alpha") ?? 1, float(node, "beta") ?? 0];
    return follow(
      node,
      [...by("Mul", alpha, "alpha", node, context), ...by("Add", beta, "beta", node, context)],
      context,
    );
  }),
  Crop: crop,
  DynamicSlice: [upgradeTo(10, (node) => ({ ...node, op: "Slice" }))],
  ImageScaler: imageScaler,
  MeanVarianceNormalization: meanVarianceNormalization,
  ParametricSoftplus: scaled("Softplus"),
  Scale: experimental(10, (node, context) =>
    follow(node, by("Mul", float(node, "scale") ?? 1, "scale", node, context), context),
  ),
  ScaledTanh: scaled("Tanh"),
};
