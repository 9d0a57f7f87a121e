/** What is known of a graph is found when it is asked for, and once. */

import { describe, expect, it } from "vitest";
import { lazily } from "../../../src/graph/lazy.ts";
import { analyse } from "../../../src/prune/coupling/analysis.ts";
import { value, graphOf } from "../../onnx/support.ts";
import { prepare } from "../../../src/execute/prepare.ts";
import { newModel } from "../../../src/zoo/zoo.ts";

const graph = prepare(newModel("lenet5", { classes: 10, seed: 1 }));

describe("an analysis", () => {
  it("is the same at every look", () => {
    const found = analyse(graph, { batch: 3 });
    for (const key of Object.keys(found) as (keyof typeof found)[]) expect(found[key], key).toBe(found[key]);
    expect(found.groups).toHaveLength(4);
    expect(found.units).toBe(found.groups.reduce((sum, { units }) => sum + units.length, 0));
    expect(found.traced.types.get(graph.inputs[0]!.name)!.shape[0]).toBe(3);
  });

  it("looks at nothing that is not asked for", () => {
    const unsized = graphOf({ nodes: [], inputs: [value("x", ["N", "W"])], outputs: [value("x")] });
    const found = analyse(unsized);
    expect(found.graph).toBe(unsized);
    expect([...found.readers]).toEqual([]);
    expect(() => found.traced).toThrow(/give its sizes/);
  });
});

it("a property whose computation throws is computed again", () => {
  let asked = 0;
  const made = lazily<{ readonly one: number }>({
    one: () => {
      if (++asked === 1) throw new Error("not yet");
      return asked;
    },
  });
  expect(() => made.one).toThrow("not yet");
  expect([made.one, made.one]).toEqual([2, 2]);
});
