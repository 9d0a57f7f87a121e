/** The paper's loop for some removals: what each takes besides the steps of learning, and where that goes. */

import { findCriterion, pruneLoop, absoluteBudget } from "../../dist/graphs-node.js";
import { nodeRuntime } from "../../dist/node.js";
import { Trainer } from "../../dist/train/trainer.js";
import { median } from "../lib/numbers.mjs";
import { loopOf, minibatches, readNet, readSamples } from "./net.mjs";

/** The first removal makes the code warm. */
const warmUp = 1;
/** Steps of the graph before all removals and of that after them, in turns. */
const turns = 11;

export async function open(side) {
  const { removals, every, interval } = side;
  const graph = await readNet(side);
  return {
    /** Milliseconds of a step, and of each removal and its parts. */
    async step() {
      const marks = [];
      const mark = (kind) => marks.push({ kind, at: performance.now() });
      const samples = readSamples(side);
      const dataset = { name: "samples of the benchmark", batches: () => minibatches(samples, side) };
      const points = [];
      const macs = [];
      let left = warmUp + removals;
      await pruneLoop(watched(nodeRuntime, mark), graph, dataset, {
        criterion: findCriterion("taylor-fo"),
        target: { units: 0 },
        ...loopOf(side),
        // Graphs are written after the removals after which they would be with an interval between two.
        idle: every / interval,
        onEvent(event) {
          if (event.kind === "removal") macs.push(event.costs.macs);
          mark(event.kind);
        },
        onPoint: async (point) => void points.push(point),
        // One round of steps has to follow the last removal that counts.
        enough: async () => left-- === 0,
      });
      const step = median(stepsOf(marks));
      const followed = removalsOf(marks, step).slice(warmUp);
      const all = absoluteBudget(graph, { macs: 1 }).macs;
      const idle = idleOf(points, [all, ...macs]).slice(warmUp, warmUp + followed.length);
      const shorter = 1 - (await shareOf(side, graph, points.at(-1).graph));
      return {
        stepMs: step,
        removals: followed,
        /** Steps' worth of multiply-accumulates for units that are gone, after a removal until the next. */
        idleSteps: (idle.reduce((sum, share) => sum + share, 0) / idle.length) * interval,
        /** The share of a step's time that goes with all of its multiply-accumulates, as far as the share of both after these removals tells. */
        perMac: shorter / (1 - macs.at(-1) / all),
      };
    },
  };
}

/**
 * The share of each step's multiply-accumulates that are for units that are gone, between each removal and the next.
 *
 * @param macs after so many removals
 */
const idleOf = (points, macs) => points.map(({ written }, i) => 1 - macs[i + 1] / macs[written.removals]);

/** What a step of a smaller network takes of one of the whole. */
async function shareOf(side, ...graphs) {
  const { threads, workers, batch } = side;
  const { loss, optimiser, learningRate } = loopOf(side);
  const options = { batch, threads, workers, loss, optimiser, needs: ["gates"] };
  const trainers = [];
  for (const graph of graphs) trainers.push(await Trainer.create(nodeRuntime, graph, options));
  const { value } = await minibatches(readSamples(side), side).next();
  const times = graphs.map(() => []);
  for (let turn = 0; turn <= turns; turn++)
    for (const [i, trainer] of trainers.entries()) {
      const started = performance.now();
      await trainer.step(value, learningRate);
      if (turn > 0) times[i].push(performance.now() - started);
    }
  for (const trainer of trainers) await trainer.dispose();
  const [whole, smaller] = times.map(median);
  return smaller / whole;
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
    const choose = at - marks[i - 1].at;
    const written = between.length > 0;
    const [first, last] = written ? [between.find((mark) => mark.kind === "load").at, between.at(-1).at] : [at, at];
    const parts = { choose, write: first - at, load: last - first, start: after[end].at - last - step };
    return [{ written, ...parts, whole: parts.choose + parts.write + parts.load + parts.start }];
  });
}
