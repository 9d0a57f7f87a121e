/** The law of gates: factors of 0 at the gates, and on what operators silence, do what zeroing a unit everywhere does. */

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Graph, Node } from "../../../src/graph/graph.ts";
import { loadModel } from "../../../src/onnx/load.ts";
import { analyse } from "../../../src/prune/coupling/analysis.ts";
import { normalise } from "../../../src/passes/normalise.ts";
import { applicationOf, trace } from "../../../src/passes/trace.ts";
import { widen } from "../../../src/passes/widen.ts";
import { mask } from "../../../src/prune/cut/mask.ts";
import { findGates } from "../../../src/prune/gates/gates.ts";
import { gradientGraph } from "../../../src/objective/backward.ts";
import { difference, random, runGraph, shuffled } from "../../support/graphs.ts";
import { onlyAtGates } from "../../support/masks.ts";
import { listNets, readNetModel } from "../../support/reference.ts";

const batch = 2;
const tolerance = 1e-5;
/** Central differences over z = 1 ± step in float32. */
const step = 2e-3;
const slopeTolerance = 2e-2;
const slopes = /^(vgg|residual-conv|depthwise|dense|gate|mlp|grouped|lstm.*|gru.*|rnn)$/;

const inputOf = (graph: Graph) => {
  const shape = graph.inputs[0]!.shape!.map((dim, i) => (i === 0 && typeof dim === "string" ? batch : Number(dim)));
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random(9)).map((x) => x * 2 - 1);
  return { [graph.inputs[0]!.name]: { dtype: "float32" as const, shape, data } };
};

const nets: [string, () => Graph][] = listNets().map((name) => [
  name,
  () => widen(normalise(loadModel(readNetModel(name)).graph)),
]);
/** PyTorch's GRU resets behind the product only. */
nets.push([
  "gru-reset-before",
  () => {
    const graph = normalise(loadModel(readNetModel("gru-bidirectional")).graph);
    const nodes = graph.nodes.map((node) =>
      node.op === "GRU"
        ? { ...node, attributes: { ...node.attributes, linear_before_reset: { type: "int" as const, value: 0 } } }
        : node,
    );
    return { ...graph, nodes };
  },
]);
const resnet20 = new URL("../../../shared/data/models/resnet20-cifar10.onnx", import.meta.url);
if (existsSync(resnet20))
  nets.push(["resnet20", () => normalise(loadModel(new Uint8Array(readFileSync(resnet20))).graph)]);

describe("zeroing a unit at its gates is zeroing it everywhere", () => {
  for (const [name, load] of nets)
    it(name, async () => {
      const graph = load();
      const groups = analyse(graph, { batch });
      const gates = findGates(groups);
      const next = random(4);
      const removal = new Map(
        groups.groups.map(({ name: group, units }) => [
          group,
          shuffled(units.length, next).slice(0, Math.floor(units.length / 3)),
        ]),
      );
      const gated = new Set([...gates.values()].flat().map(({ value }) => value));
      for (const { name: group } of groups.groups) expect(gates.get(group)!.length).toBeGreaterThan(0);
      const masked = mask(graph, groups, removal);
      const feeds = inputOf(graph);
      const [everywhere, atGates] = [await runGraph(masked, feeds), await runGraph(onlyAtGates(masked, gated), feeds)];
      const output = graph.outputs[0]!.name;
      const { largest, range } = difference(everywhere[output]!, atGates[output]!);
      expect(largest).toBeLessThan(tolerance * Math.max(range, 1));
    });
});

/** The graph with a factor on one unit at all gates of its group, and on what operators silence. */
function scaled(
  graph: Graph,
  places: readonly { value: string; axis: number }[],
  indices: ReadonlyMap<string, readonly number[]>,
  factor: number,
): Graph {
  const traced = trace(graph, { batch });
  const initializers = new Map(graph.initializers);
  const times = (value: string, axis: number, from: string, to: string): Node => {
    const { shape } = traced.types.get(value)!;
    const along = shape.slice(axis).map((dim, i) => (i === 0 ? dim : 1));
    const data = new Float32Array(shape[axis]!).fill(1);
    for (const index of indices.get(`${value}:${axis}`) ?? []) data[index] = factor;
    initializers.set(`${value}_z`, { dtype: "float32", shape: along, data });
    return { op: "Mul", domain: "", name: "", inputs: [from, `${value}_z`], outputs: [to], attributes: {} };
  };
  const nodes = graph.nodes.flatMap((old) => {
    const { op, inputs } = applicationOf(traced, old)!;
    const silent = (op.maskInside?.(inputs) ?? []).map(([{ name }, axis]) => times(name, axis, name, `${name}_scaled`));
    const rename = new Map(silent.map((node) => [node.inputs[0]!, node.outputs[0]!]));
    const node = { ...old, inputs: old.inputs.map((name) => rename.get(name) ?? name) };
    const gates = places.filter(({ value }) => node.outputs.includes(value));
    const outputs = node.outputs.map((name) => (gates.some(({ value }) => value === name) ? `${name}_before` : name));
    return [
      ...silent,
      { ...node, outputs },
      ...gates.map(({ value, axis }) => times(value, axis, `${value}_before`, value)),
    ];
  });
  return { ...graph, nodes, initializers };
}

describe("the gradient of a gate is the slope of each sample's loss along its factor", () => {
  for (const [name, load] of nets.filter(([name]) => slopes.test(name)))
    it(name, async () => {
      const graph = load();
      const options = { batch, loss: "cross-entropy" as const, train: false, wrt: "gates" as const };
      const target = { dtype: "int64" as const, shape: [batch], data: BigInt64Array.of(0n, 1n) };
      const feeds = { ...inputOf(graph), target };
      const gradients = await runGraph(gradientGraph(graph, options), feeds);
      const groups = analyse(graph, { batch });
      const gates = findGates(groups);
      for (const group of groups.groups.slice(0, 3)) {
        const places = gates.get(group.name)!;
        const { atoms } = group.units[0]!;
        const indices = new Map<string, number[]>();
        for (const atom of atoms) {
          const { value, axis, index } = groups.coupling.locate(atom);
          indices.set(`${value}:${axis}`, [...(indices.get(`${value}:${axis}`) ?? []), index]);
        }
        const loss = async (factor: number) =>
          Number(
            (await runGraph(gradientGraph(scaled(graph, places, indices, factor), options), feeds))["loss"]!.data[0],
          );
        const slope = ((await loss(1 + step)) - (await loss(1 - step))) / (2 * step);
        const values = gradients[`grad/${group.name}`]!;
        expect(values.shape).toEqual([batch, group.units.length]);
        const data = values.data as Float32Array;
        const exact = (data[0]! + data[group.units.length]!) / batch;
        expect(Math.abs(exact - slope), `${group.name}: ${exact} against ${slope}`).toBeLessThan(
          slopeTolerance * Math.max(Math.abs(slope), 0.05),
        );
      }
    });
});
