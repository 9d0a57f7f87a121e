/** The paper's loop for some removals: what each takes besides the steps of learning, and where that goes. */

import { findCriterion, pruneLoop } from "../../dist/graphs-node.js";
import { nodeRuntime } from "../../dist/node.js";
import { median } from "../lib/numbers.mjs";
import { loopOf, minibatches, readNet, readSamples } from "./net.mjs";

/** The first removal makes the code warm. */
const warmUp = 1;

export async function open(side) {
  const { removals } = side;
  const graph = await readNet(side);
  return {
    /** Milliseconds of a step, and of each removal and its parts. */
    async step() {
      const marks = [];
      const mark = (kind) => marks.push({ kind, at: performance.now() });
      const samples = readSamples(side);
      const dataset = { name: "samples of the benchmark", batches: () => minibatches(samples, side) };
      let left = warmUp + removals;
      await pruneLoop(watched(nodeRuntime, mark), graph, dataset, {
        criterion: findCriterion("taylor-fo"),
        target: { units: 0 },
        ...loopOf(side),
        onEvent: ({ kind }) => mark(kind),
        // One round of steps has to follow the last removal that counts.
        enough: async () => left-- === 0,
      });
      const step = median(stepsOf(marks));
      return { stepMs: step, removals: removalsOf(marks, step).slice(warmUp) };
    },
  };
}

/** A runtime that tells when it is asked to load, and when it has. */
function watched(runtime, mark) {
  const watch = (one) => ({
    ...one,
    async load(...given) {
      mark("load");
      const session = await one.load(...given);
      mark("loaded");
      return session;
    },
  });
  return { ...watch(runtime), worker: (number) => watch(runtime.worker(number)) };
}

/** From one step's end to the next's, where nothing comes between. */
const stepsOf = (marks) =>
  marks.flatMap(({ kind, at }, i) => (kind === "step" && marks[i - 1].kind === "step" ? [at - marks[i - 1].at] : []));

/** From the end of the last step before each removal to that of the first one after it, less a step. */
function removalsOf(marks, step) {
  return marks.flatMap(({ kind, at }, i) => {
    const after = marks.slice(i + 1);
    const end = after.findIndex((mark) => mark.kind === "step");
    if (kind !== "removal" || end < 0) return [];
    const between = after.slice(0, end);
    const [first, last] = [between.find((mark) => mark.kind === "load").at, between.at(-1).at];
    const parts = {
      choose: at - marks[i - 1].at,
      write: first - at,
      load: last - first,
      start: after[end].at - last - step,
    };
    return [{ ...parts, whole: parts.choose + parts.write + parts.load + parts.start }];
  });
}
