/** Attention as one operator in a net: which heads and places are units, and what is left of its numbers after a cut. */

import { expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { int64s, tensor } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { difference, runGraph, tinyNet } from "../support/graphs.ts";

type Net = ReturnType<typeof tinyNet>;

const project = ({ g, weight, x }: Net, name: string, width: number): Value => g.MatMul(x, weight(name, [8, width]));

/** Units by group, and a cut of all but one unit of each group, which must equal its mask. */
async function taken({ finish, feeds }: Net, y: Value) {
  const graph = finish(y);
  const groups = analyse(graph);
  const shown = Object.fromEntries(groups.groups.map(({ name, units }) => [name, units.length]));
  const tryOut = async (names: readonly string[]): Promise<Graph> => {
    const chosen = groups.groups.filter(({ name }) => names.includes(name));
    const removal = new Map(chosen.map(({ name, units }) => [name, units.slice(1).map((_, i) => i)]));
    const small = cut(graph, groups, removal).graph;
    const [whole, less] = [await runGraph(mask(graph, groups, removal), feeds), await runGraph(small, feeds)];
    const { largest, range } = difference(whole[y.name]!, less[y.name]!);
    expect(range).toBeGreaterThan(0.01);
    expect(largest).toBeLessThan(1e-5 * Math.max(1, range));
    return small;
  };
  return { shown, tryOut };
}

const attentionIn = ({ nodes }: Graph) => nodes.find(({ op }) => op === "Attention")!.attributes;

it("heads of [batch, tokens, width] go with those that share their keys, and the counts follow", async () => {
  const net = tinyNet([2, 5, 8]);
  const { g, weight } = net;
  const attended = g.Attention(project(net, "q", 24), project(net, "k", 12), project(net, "v", 9), {
    q_num_heads: 6,
    kv_num_heads: 3,
    is_causal: 1,
  });
  const { shown, tryOut } = await taken(net, g.MatMul(attended, weight("o", [18, 4])));
  // Places of queries and keys; heads of keys with both their queries; one query of every head; places of values.
  expect(shown).toEqual({ q: 4, "q#2": 3, "q#3": 2, v: 3 });
  const counts = (graph: Graph) =>
    ["q_num_heads", "kv_num_heads", "scale"].map((name) => attentionIn(graph)[name]?.value);
  expect(counts(await tryOut(["q#2"]))).toEqual([2, 1, undefined]);
  expect(counts(await tryOut(["q#3"]))).toEqual([3, 3, undefined]);
  expect(counts(await tryOut(["v"]))).toEqual([6, 3, undefined]);
  // The scale of a head of four places stays that of four.
  expect(counts(await tryOut(["q"]))).toEqual([6, 3, 0.5]);
  expect(counts(await tryOut(["q", "q#2", "q#3", "v"]))).toEqual([1, 1, 0.5]);
});

it("heads on an axis of their own, turned by their positions, lose pairs of places together with the tables", async () => {
  const net = tinyNet([2, 5, 8]);
  const { g, weight } = net;
  const table = (turn: (x: number) => number) =>
    g.constant(
      tensor(
        "float32",
        [5, 4],
        Array.from({ length: 20 }, (_, i) => turn(Math.floor(i / 4) / 3 ** (i % 4))),
      ),
    );
  const [cosines, sines] = [table(Math.cos), table(Math.sin)];
  const positions = g.constant({ ...int64s([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]), shape: [2, 5] });
  const heads = (name: string, count: number, width: number) =>
    g.Transpose(g.Reshape(project(net, name, count * width), g.ints([0, 0, count, width])), { perm: [0, 2, 1, 3] });
  const turned = (x: Value) => g.RotaryEmbedding(x, cosines, sines, positions);
  const attended = g.Attention(turned(heads("q", 4, 8)), turned(heads("k", 2, 8)), heads("v", 2, 3));
  const joined = g.Reshape(g.Transpose(attended, { perm: [0, 2, 1, 3] }), g.ints([0, 0, 12]));
  const { shown, tryOut } = await taken(net, g.MatMul(joined, weight("o", [12, 4])));
  expect(shown).toEqual({ q: 4, "q#2": 2, "q#3": 2, v: 3 });
  for (const name of Object.keys(shown)) await tryOut([name]);
  const all = await tryOut(Object.keys(shown));
  expect(all.initializers.get(cosines.name)!.shape).toEqual([5, 1]);
  expect(all.initializers.get("q")!.shape).toEqual([8, 2]);
});

it("one head of keys that all queries share stays, and queries go one by one", async () => {
  const net = tinyNet([1, 5, 8]);
  const { g, weight } = net;
  const counts = { q_num_heads: 4, kv_num_heads: 1 };
  const attended = g.Attention(project(net, "q", 16), project(net, "k", 4), project(net, "v", 4), counts);
  const { shown, tryOut } = await taken(net, g.MatMul(attended, weight("o", [16, 4])));
  expect(shown).toEqual({ q: 4, "q#2": 4, v: 4 });
  expect(attentionIn(await tryOut(["q", "q#2", "v"]))["q_num_heads"]?.value).toBe(1);
});
