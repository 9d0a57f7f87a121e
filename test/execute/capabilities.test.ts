/** Graphs for kernels that only some runtimes have: found by trying, and the same as others. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { capabilitiesOf } from "../../src/execute/capabilities.ts";
import { executable } from "../../src/execute/executable.ts";
import { stepGraph, type StepGraph } from "../../src/train/step.ts";
import { difference, tinyNet } from "../support/graphs.ts";
import { processors } from "../support/processors.ts";
import { feedsOf } from "../support/steps.ts";

const batch = 6;

/** Two convolutions whose outputs go through one BatchNormalization each, or both through the same. */
function net(shared: boolean): Graph {
  const { builder, g, weight, x } = tinyNet([batch, 3, 5, 4]);
  const norms = [0, 1].map((i) => [`scale${i}`, `B${i}`, `mean${i}`, `var${i}`].map((name) => weight(name, [4], 0.5)));
  let y = x;
  for (const i of [0, 1]) {
    const made = g.Conv(y, weight(`W${i}`, [4, i === 0 ? 3 : 4, 3, 3]), { pads: [1, 1, 1, 1] });
    const [scale, B, mean, variance] = norms[shared ? 0 : i]!;
    y = g.Relu(g.BatchNormalization(made, scale!, B!, mean!, variance!, { epsilon: 1e-3 }));
  }
  const flat = g.Flatten(g.GlobalAveragePool(y));
  return builder.finish([g.Gemm(flat, weight("V", [4, 3])).name]);
}

async function run(step: StepGraph) {
  const session = await directRuntime.load(executable(step.graph), { threads: 1, optimise: false });
  try {
    const feeds = feedsOf(step);
    const results = await session.run(feeds);
    // What is fed stays as it is: a kernel that writes over it would change weights behind our back.
    expect(feeds).toEqual(feedsOf(step));
    return results;
  } finally {
    await session.dispose();
  }
}

describe("kernels that compute on one thread", () => {
  it.each([
    ["one normalisation each", false],
    ["one normalisation for both", true],
  ])("learn the same: %s", async (_what, shared) => {
    const options = { batch, loss: "cross-entropy", needs: ["gates"] } as const;
    const [plain, serial] = [
      stepGraph(net(shared), options),
      stepGraph(net(shared), { ...options, capabilities: { singleThreaded: true } }),
    ];
    expect(serial.graph.nodes.length).toBeLessThan(plain.graph.nodes.length);
    const [expected, found] = [await run(plain), await run(serial)];
    expect(Object.keys(found)).toEqual(Object.keys(expected));
    for (const [name, value] of Object.entries(expected)) {
      const { largest, range } = difference(value, found[name]!);
      expect(largest, name).toBeLessThanOrEqual(2e-5 * Math.max(range, 1e-3));
    }
  });

  it.each(processors)("are taken for one thread of the CPU: $name", async ({ runtime, block, singleThreaded }) => {
    expect(await capabilitiesOf(runtime, 1)).toEqual({ block, singleThreaded });
    expect(await capabilitiesOf(runtime, 2)).toEqual({ block, singleThreaded: false });
    expect(await capabilitiesOf(runtime, 1, "webgpu")).toEqual({ block: undefined, singleThreaded: false });
  });

  it("are onnxruntime's on any machine", async () => {
    expect((await capabilitiesOf(directRuntime, 1)).singleThreaded).toBe(true);
  });

  it("are not taken where a runtime has others", async () => {
    const wrong: Runtime = {
      ...directRuntime,
      async load(model, options) {
        const session = await directRuntime.load(model, options);
        return {
          ...session,
          dispose: () => session.dispose(),
          async run(feeds) {
            const results = await session.run(feeds);
            const [name, value] = Object.entries(results)[0]!;
            return { ...results, [name]: { ...value, data: (value.data as Float32Array).map((v) => v + 1) } as Tensor };
          },
        };
      },
    };
    expect((await capabilitiesOf(wrong, 1)).singleThreaded).toBe(false);
  });
});
