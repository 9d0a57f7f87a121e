/** Small nets under every loss: gradients are finite differences, and the loss of the cut net is that of the masked one. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { executable } from "../../src/execute/executable.ts";
import { targetFeeds } from "../../src/execute/feeds.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { sizeOf, tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import type { LossSettings } from "../../src/options/loss.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { lawsBut } from "../support/laws.ts";
import { random, tinyNet } from "../support/graphs.ts";
import type { LossCase } from "../support/losses.ts";

const path = new URL("../fixtures/losses.json", import.meta.url);
const all = (JSON.parse(readFileSync(path, "utf8")) as { cases: readonly LossCase[] }).cases;
// A case that has no path has no gradient to compare.
const cases = all.filter(({ what, labelSmoothing }) => labelSmoothing === 0 && what !== "one step");

const asTensor = ({ dtype, shape, values }: LossCase["output"]): Tensor => tensor(dtype, shape, values);

/** A net whose output is of the shape that a case has, from ten hidden units that can go; pairs have a head of their own. */
function netOf({ output, others, loss }: LossCase) {
  const [first] = output.shape as [number];
  const isTimeFirst = loss["time"] === 0;
  const batch = isTimeFirst ? output.shape[1]! : first;
  const { builder, g, weight, x, finish, feeds } = tinyNet([batch, 6]);
  const hidden = g.Tanh(g.Gemm(x, weight("hidden", [6, 10]), weight("bias", [10])));
  const rest = output.shape.filter((_, i) => i !== (isTimeFirst ? 1 : 0));
  const head = (name: string) =>
    g.reshaped(g.Gemm(hidden, weight(name, [10, sizeOf(rest)]), weight(`${name}.bias`, [sizeOf(rest)])), [
      batch,
      ...rest,
    ]);
  const y = head("head");
  const outputs = [isTimeFirst ? g.Transpose(y, { perm: [1, 0, 2] }) : y];
  const more: Record<string, Tensor> = {};
  if (loss.kind === "info-nce" && "with" in loss) outputs.push(head("pair"));
  else
    for (const [name, stored] of Object.entries(others)) {
      builder.input(name, { dtype: stored.dtype, shape: stored.shape }, true);
      more[name] = asTensor(stored);
    }
  const pair = outputs[1]?.name;
  return {
    graph: finish(...outputs),
    batch,
    feeds: { ...feeds, ...more },
    loss: (pair === undefined ? loss : { ...loss, with: pair }) as LossSettings,
  };
}

const targetsOf = ({ target, loss }: LossCase): object => {
  if (!target) return {};
  return loss.kind === "next-token"
    ? { targets: { [loss["tokens"] as string]: asTensor(target) } }
    : { target: asTensor(target) };
};

/** The first of each loss; of dice on classes and of paths with their steps first besides. */
const few = cases.filter(
  (one, i) =>
    cases.findIndex(({ loss }) => loss.kind === one.loss.kind) === i || "time" in one.loss || one.what === "classes",
);

for (const one of cases)
  describe(`${one.loss.kind}: ${one.what}`, lawsBut(few, one), () => {
    const { graph, batch, feeds, loss } = netOf(one);
    const size = one.perSample.shape[0]!;

    /** The loss of a graph, and its gradients. */
    async function run(of: Graph): Promise<Record<string, Tensor>> {
      const full = gradientGraph(of, { batch, loss, wrt: "parameters", train: false });
      const input = full.inputs.find(({ name }) => name === "target" || name.startsWith("target/"));
      const name = input?.name.slice("target/".length) ?? "";
      const asked = input
        ? [{ input: input.name, name, classes: 0, padding: loss.kind === "ctc" ? -1 : undefined }]
        : [];
      const targets = targetFeeds(full.inputs, { targets: asked }, { inputs: {}, size, ...targetsOf(one) });
      const session = await directRuntime.load(executable(full), { threads: 1 });
      try {
        const own = Object.fromEntries(
          Object.entries(feeds).filter(([known]) => full.inputs.some((value) => value.name === known)),
        );
        return await session.run({ ...own, ...targets });
      } finally {
        await session.dispose();
      }
    }
    const lossOf = async (of: Graph): Promise<number> => Number((await run(of))["loss"]!.data[0]);

    it("has the gradients of finite differences", async () => {
      const results = await run(graph);
      for (const name of ["hidden", "head"]) {
        const gradient = toNumbers(results[`grad/${name}`]!);
        const next = random(7);
        const direction = gradient.map(() => next() - 0.5);
        const along = (step: number): Promise<number> => {
          const weight = graph.initializers.get(name)!;
          const moved = toNumbers(weight).map((value, i) => value + step * direction[i]!);
          const initializers = new Map(graph.initializers).set(name, tensor("float32", weight.shape, moved));
          return lossOf({ ...graph, initializers });
        };
        const step = 2e-3;
        const slope = ((await along(step)) - (await along(-step))) / (2 * step);
        const wanted = gradient.reduce((sum, value, i) => sum + value * direction[i]!, 0);
        expect(Math.abs(wanted)).toBeGreaterThan(1e-4);
        expect(Math.abs(slope - wanted)).toBeLessThan(5e-3 * Math.max(0.1, Math.abs(wanted)));
      }
    });

    it("gives the cut net and the masked one the same loss", async () => {
      const analysis = analyse(graph, { batch });
      const group = analysis.groups.find(({ units }) => units.length === 10)!;
      const removal = new Map([[group.name, [1, 4, 9]]]);
      const [whole, masked] = [await lossOf(graph), await lossOf(mask(graph, analysis, removal))];
      const small = await lossOf(cut(graph, analysis, removal).graph);
      expect(Math.abs(masked - small)).toBeLessThan(1e-6 * Math.max(1, masked));
      expect(Math.abs(masked - whole)).toBeGreaterThan(1e-5);
    });
  });
