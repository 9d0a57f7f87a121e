/** Along which reduced axes a zero matters: where it does a cut is said to be no zeroing, where it does not nothing is said. */

import { expect, it } from "vitest";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { ops } from "../../src/ops/table.ts";
import type { OpName } from "../../src/ops/core/names.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { difference, newBuilder, runGraph } from "../support/graphs.ts";
import { tensor } from "../../src/graph/tensor.ts";

/** A reduction of [2, 4] along its second axis, whose units a weight produces; the signs of the rows are given. */
function reducing(name: OpName, signs: readonly [number, number]) {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 1] }));
  const hidden = g.MatMul(x, g.constant(tensor("float32", [1, 4], [0.5, 1.5, 2, 2.5])));
  const y = g[name](hidden, g.ints([1]), { keepdims: 0 });
  return { graph: builder.finish([y.name]), feeds: { [x.name]: tensor("float32", [2, 1], signs) } };
}

const reductions = [...ops.keys()].filter((name) => name.startsWith("Reduce")) as OpName[];

it("the reductions that see zeros say so", () => {
  const seeing = reductions.filter((name) => {
    const { groups } = analyse(reducing(name, [1, 1]).graph);
    expect(groups.map(({ units }) => units.length)).toEqual([4]);
    return groups[0]!.inexact.length > 0;
  });
  expect(seeing.join(" ")).toBe("ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd");
});

it.each(reductions)("%s tells a zero from nothing just where it says so", async (name) => {
  const { graph, feeds } = reducing(name, name === "ReduceMax" ? [-1, 1] : [1, 2]);
  const found = analyse(graph);
  const removal = new Map([[found.groups[0]!.name, [1]]]);
  const [masked, small] = [mask(graph, found, removal), cut(graph, found, removal).graph];
  const y = graph.outputs[0]!.name;
  const [a, b] = [(await runGraph(masked, feeds))[y]!, (await runGraph(small, feeds))[y]!];
  const differs = difference(a, b).largest > 1e-5;
  expect(differs).toBe(found.groups[0]!.inexact.length > 0);
});
