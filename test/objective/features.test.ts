/**
 * Values inside a model that are held to its original's: at the start nothing is apart, after a cut exactly what two
 * runs say, and gradients are those of finite differences.
 */

import { describe, expect, it } from "vitest";
import { prepare } from "../../src/execute/prepare.ts";
import type { Graph, Positions } from "../../src/graph/graph.ts";
import { isFloat, sizeOf, take, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { valuesNamed } from "../../src/jobs/feature-names.ts";
import { appendBackward, finishGraph } from "../../src/objective/backward.ts";
import { featureInput, type Feature } from "../../src/objective/features.ts";
import { teachingGraph, withOutputs } from "../../src/objective/teaching.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { alias } from "../../src/ops/emitter.ts";
import { widen } from "../../src/passes/widen.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import type { Removal } from "../../src/prune/coupling/removal.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { withPositions } from "../../src/prune/cut/positions.ts";
import { composed } from "../../src/prune/select/plan.ts";
import type { Tensors } from "../../src/runtime/port.ts";
import { noise, random, runGraph } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";
import { readNetModel } from "../support/reference.ts";
import { smoothed } from "../support/smooth.ts";

const batch = 2;

/** A net with all its values that can be features; each counts as it likes, so that none may be taken for another. */
function open(name: string) {
  const model = loadModel(readNetModel(name));
  const whole = widen(prepare(model));
  const { values } = valuesNamed(analyse(whole, { batch }), model.graph, ["*"]);
  const features = values.map((value, i): Feature => ({ ...value, variance: 0.5 + (i % 3), weight: 1 / (1 + i) }));
  const graph = withPositions(
    whole,
    values.map(({ value }) => value),
  );
  return { graph, features, inputs: feeds(whole) };
}

const feeds = (graph: Graph): Tensors =>
  Object.fromEntries(
    graph.inputs.map(({ name }, i) => {
      const { dtype, shape } = analyse(graph, { batch }).traced.types.get(name)!;
      if (!isFloat(dtype)) throw new Error(`${name} holds ${dtype}`);
      return [name, noise(shape, i + 7)];
    }),
  );

/** Every third unit of each group, but for the last. */
function someOf(graph: Graph, from = 0): Removal {
  const { groups } = analyse(graph);
  return new Map(
    groups.flatMap(({ name, units }) => {
      const gone = units.flatMap((_, i) => (i % 3 === from && i < units.length - 1 ? [i] : []));
      return gone.length > 0 ? [[name, gone] as const] : [];
    }),
  );
}

/** The loss of a graph with features against what a teacher gives, and how it is told to a run. */
function objectiveOf(graph: Graph, features: readonly Feature[]) {
  const distillation = { weight: 1, temperature: 1, features };
  const given = { batch, loss: "mse", distillation, parameters: true, train: false } as const;
  const backward = appendBackward(graph, given);
  const { builder, parameters, objective } = backward;
  const gradients = [...parameters].map(([name, { name: value }]) => {
    const put = `gradient/${name}`;
    alias(builder, value, builder.claim(put));
    return put;
  });
  const finished = finishGraph(builder, ["loss", ...gradients]);
  return { graph: finished, objective, parameters: [...parameters.keys()] };
}

const lossOf = async (graph: Graph, features: readonly Feature[], inputs: Tensors, answers: Tensors) => {
  const { graph: finished } = objectiveOf(graph, features);
  const known = new Set(finished.inputs.map(({ name }) => name));
  const own = Object.entries({ ...inputs, ...answers }).filter(([name]) => known.has(name));
  return Number((await runGraph(finished, Object.fromEntries(own)))["loss"]!.data[0]);
};

async function answersOf(graph: Graph, features: readonly Feature[], inputs: Tensors): Promise<Tensors> {
  const teaching = teachingGraph(graph, "mse", features);
  return teaching.answers(await runGraph(teaching.graph, inputs));
}

const picked = (whole: Tensor, axes: ReadonlyMap<number, { readonly left: readonly number[] }>): number[] =>
  toNumbers([...axes].reduce((value, [axis, { left }]) => take(value, axis, left), whole));

/** Σ weight · mean (y - t)² / variance, and the mean squared error of the output, from two runs. */
async function byHand(
  smaller: Graph,
  positions: Positions,
  features: readonly Feature[],
  inputs: Tensors,
  answers: Tensors,
): Promise<number> {
  const left = features.filter(({ value }) => positions.has(value));
  const [output] = smaller.outputs.map(({ name }) => name);
  const names = [output!, ...left.map(({ value }) => value)];
  const results = await runGraph(withOutputs(widen(smaller), names), inputs);
  const distance = (ours: readonly number[], theirs: readonly number[]): number => {
    expect(theirs.length).toBe(ours.length);
    return ours.reduce((sum, y, i) => sum + (y - theirs[i]!) ** 2, 0) / ours.length;
  };
  const terms = left.map(({ value, variance, weight }) => {
    const theirs = picked(answers[featureInput(value)]!, positions.get(value)!);
    return (weight * distance(toNumbers(results[value]!), theirs)) / variance;
  });
  const own = distance(toNumbers(results[output!]!), toNumbers(answers["teacher"]!));
  return terms.reduce((sum, one) => sum + one, own);
}

/** With BatchNormalization, with attention, and with Concat. */
const nets = ["residual-conv", "transformer", "inception"] as const;

describe.each(nets)("%s", laws, (name) => {
  const { graph, features, inputs } = open(name);
  const first = someOf(graph);
  const once = cut(graph, analyse(graph), first).graph;
  const second = someOf(once, 1);
  const twice = cut(once, analyse(once), second).graph;

  it("has many features, and is not apart from itself", async () => {
    expect(features.length).toBeGreaterThan(5);
    const answers = await answersOf(graph, features, inputs);
    expect(await lossOf(graph, features, inputs, answers)).toBeLessThan(1e-12);
  });

  it("is as far from its original after two cuts as their runs say", async () => {
    const answers = await answersOf(graph, features, inputs);
    for (const smaller of [once, twice]) {
      const positions = smaller.positions!;
      expect(positions.size).toBe(features.length);
      expect([...positions.values()].filter((axes) => axes.size > 0).length).toBeGreaterThan(3);
      const wanted = await byHand(smaller, positions, features, inputs, answers);
      expect(wanted).toBeGreaterThan(1e-3);
      const found = await lossOf(smaller, features, inputs, answers);
      expect(Math.abs(found - wanted)).toBeLessThan(1e-5 * wanted);
    }
  });

  it("gives the gradients of finite differences", async () => {
    const answers = await answersOf(graph, features, inputs);
    const soft = smoothed(twice);
    const { graph: finished, parameters } = objectiveOf(soft, features);
    const known = new Set(finished.inputs.map(({ name: input }) => input));
    const given = Object.fromEntries(Object.entries({ ...inputs, ...answers }).filter(([input]) => known.has(input)));
    const results = await runGraph(finished, given);
    const next = random(5);
    const directions = parameters.map((parameter) => {
      const { shape } = soft.initializers.get(parameter)!;
      return [parameter, Float32Array.from({ length: sizeOf(shape) }, () => next() - 0.5)] as const;
    });
    const along = directions.reduce((sum, [parameter, direction]) => {
      const gradient = toNumbers(results[`gradient/${parameter}`]!);
      return sum + gradient.reduce((all, value, i) => all + value * direction[i]!, 0);
    }, 0);
    const at = (step: number): Promise<number> => {
      const initializers = new Map(soft.initializers);
      for (const [parameter, direction] of directions) {
        const { shape, data } = initializers.get(parameter) as Tensor & { data: Float32Array };
        const moved = data.map((value, i) => value + step * direction[i]!);
        initializers.set(parameter, { dtype: "float32", shape, data: moved });
      }
      return lossOf({ ...soft, initializers }, features, inputs, answers);
    };
    const step = 1e-3;
    const difference = ((await at(step)) - (await at(-step))) / (2 * step);
    expect(Math.abs(along)).toBeGreaterThan(1e-3);
    expect(Math.abs(difference - along)).toBeLessThan(1e-2 * Math.abs(along));
  });
});

it.each(["residual-conv", "inception", "dense"])(
  "what is left of %s has the values of the original with zeros: positions are those that the cut keeps",
  laws,
  async (name) => {
    const { graph, features, inputs } = open(name);
    const analysis = analyse(graph);
    const removals = [someOf(graph)];
    const once = cut(graph, analysis, removals[0]!).graph;
    removals.push(someOf(once, 1));
    const twice = cut(once, analyse(once), removals[1]!).graph;
    const masked = mask(graph, analysis, composed(analysis, removals));
    const answers = await answersOf(masked, features, inputs);
    expect(await lossOf(twice, features, inputs, answers)).toBeLessThan(1e-9);
  },
);

it("a feature that went with its group is no term any more", async () => {
  const { graph, features, inputs } = open("residual-conv");
  const analysis = analyse(graph);
  const removable = analysis.groups.find(({ name, units }) => {
    try {
      return cut(graph, analysis, new Map([[name, units.map((_, i) => i)]])).graph.positions!.size < features.length;
    } catch {
      return false;
    }
  })!;
  const smaller = cut(graph, analysis, new Map([[removable.name, removable.units.map((_, i) => i)]])).graph;
  const { objective } = objectiveOf(smaller, features);
  expect(smaller.positions!.size).toBeGreaterThan(0);
  expect(objective.teachers.length).toBe(1 + smaller.positions!.size);
  const answers = await answersOf(graph, features, inputs);
  const wanted = await byHand(smaller, smaller.positions!, features, inputs, answers);
  expect(Math.abs((await lossOf(smaller, features, inputs, answers)) - wanted)).toBeLessThan(1e-5 * wanted);
});
