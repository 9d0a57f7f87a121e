/** What learning has opened it lets go of, whatever fails. */

import { describe, expect, it } from "vitest";
import { findCriterion } from "../../src/criteria/table.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { fail } from "../../src/graph/error.ts";
import { pruneLoop } from "../../src/loop/prune.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { held, type Runtime, type Session } from "../../src/runtime/port.ts";
import { finetune } from "../../src/train/finetune.ts";
import { randomDataset } from "../support/datasets.ts";
import { readNetModel } from "../support/reference.ts";

const graph = prepare(loadModel(readNetModel("plain-cnn")));
const dataset = randomDataset(graph, { samples: 16, labels: 2 });
const name = "the-one-that-knows";
const teacher = { graph: { ...graph, name }, weight: 0.5, temperature: 2 };
const options = { loss: "cross-entropy", batchSize: 8, seed: 1, threads: 1, learningRate: 0.01, teacher } as const;
const pruning = { ...options, criterion: findCriterion("taylor-fo"), target: { units: 0 }, every: 1 };

/** A runtime that counts the sessions that are open, and on which the teacher fails the second time that it does something. */
function failing(when: "load" | "run") {
  const open = new Set<Session>();
  let times = 0;
  const failSecond = (): void => {
    if (++times === 2) fail("bad-model", "the teacher fails");
  };
  const runtime: Runtime = {
    ...directRuntime,
    async load(model, given) {
      const isTeacher = Buffer.from("bytes" in model ? model.bytes : model).includes(name);
      if (isTeacher && when === "load") failSecond();
      const loaded = await directRuntime.load(model, given);
      const session: Session = {
        ...loaded,
        async run(feeds, handed) {
          if (isTeacher && when === "run") failSecond();
          return loaded.run(feeds, handed);
        },
        ...held(async () => {
          open.delete(session);
          await loaded.dispose();
        }),
      };
      open.add(session);
      return session;
    },
  };
  return { runtime, open };
}

describe.each([
  ["load", 2],
  ["run", 1],
  ["run", 2],
] as const)("where the teacher fails as it should %s, with %i workers", (when, workers) => {
  it.each([
    ["fine-tuning", (on: Runtime) => finetune(on, graph, dataset, { ...options, workers, epochs: 2 })],
    ["pruning", (on: Runtime) => pruneLoop(on, graph, dataset, { ...pruning, workers })],
  ])("%s leaves no session open", async (_, learn) => {
    const { runtime, open } = failing(when);
    await expect(learn(runtime)).rejects.toThrow("the teacher fails");
    expect(open.size).toBe(0);
  });
});
