/** How long models take: run in turns, so that whatever else the machine does falls on all of them alike. */

import { medianSorted } from "simple-statistics";
import { fail } from "../graph/error.ts";
import type { Graph, Model } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { encodeForRuntime } from "../onnx/encode.ts";
import { wrapGraph } from "../onnx/wrap.ts";
import { forDevice } from "../passes/for-device.ts";
import type { NormaliseOptions } from "../passes/normalise.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { drawInputs } from "../prune/proof/draw.ts";
import type { MachineOptions, Runtime, Session } from "../runtime/port.ts";
import { prepareOn, withSizesOf } from "../execute/prepare.ts";

/** Milliseconds, or a ratio of them. */
export interface Timing {
  /** Over the rounds. */
  readonly median: number;
  /** The interval in which the median lies with 95 % confidence, by order statistics. */
  readonly low: number;
  readonly high: number;
}

export interface TimingOptions extends MachineOptions {
  /** How often each model is timed; default 50, at least 6: fewer times have no interval of 95 %. */
  readonly rounds?: number | undefined;
  /** Samples of a run; default 1. */
  readonly batch?: number | undefined;
  /** Of the inputs that are drawn; default 0. */
  readonly seed?: number | undefined;
  readonly onProgress?: ((rounds: number, total: number) => void) | undefined;
}

const confidence = 0.95;
/** Runs whose times are thrown away: caches fill, clocks rise. */
const warmUp = 5;
/**
 * A time is the fastest of as many runs as take this many milliseconds: what else the
 * machine does only ever makes a run slower.
 */
const leastTime = 20;

/**
 * Times graphs on random inputs. In every round each is timed once, and the one that was first is the last of the next.
 *
 * @param graphs with an open batch
 * @returns the milliseconds of a run of each graph in each round
 */
export async function timeInTurns(
  runtime: Runtime,
  graphs: readonly Graph[],
  { rounds = 50, batch = 1, seed = 0, device, threads, signal, onProgress }: TimingOptions = {},
): Promise<number[][]> {
  ranksOfMedian(rounds);
  const timed: { session: Session; feeds: Record<string, Tensor>; runs: number; times: number[] }[] = [];
  try {
    for (const graph of graphs) {
      const feeds = drawInputs(analyse(graph, { batch }).traced, seed);
      const session = await runtime.load(encodeForRuntime(wrapGraph(forDevice(graph, device))), {
        device,
        threads,
        signal,
      });
      const first = await session.time(feeds, warmUp);
      timed.push({ session, feeds, runs: Math.max(1, Math.ceil(leastTime / Math.min(...first))), times: [] });
    }
    for (let round = 0; round < rounds; round++) {
      const start = round % timed.length;
      for (const one of [...timed.slice(start), ...timed.slice(0, start)])
        one.times.push(Math.min(...(await one.session.time(one.feeds, one.runs))));
      onProgress?.(round + 1, rounds);
    }
    return timed.map(({ times }) => times);
  } finally {
    for (const { session } of timed) await session.dispose();
  }
}

/**
 * Times several models on random inputs, in turns.
 *
 * @returns a timing for each model, in their order
 */
export async function measureLatency(
  runtime: Runtime,
  models: readonly Model[],
  options: TimingOptions & NormaliseOptions = {},
): Promise<Timing[]> {
  const sized = models[0] ? withSizesOf(models[0], options) : options;
  const graphs: Graph[] = [];
  for (const model of models) graphs.push((await prepareOn(runtime, model, sized)).graph);
  return (await timeInTurns(runtime, graphs, options)).map(timingOf);
}

/**
 * The median of values and its interval, which goes from one order statistic to another and assumes
 * nothing of how they are distributed.
 */
export function timingOf(values: readonly number[]): Timing {
  const sorted = values.toSorted((a, b) => a - b);
  const { low, high } = ranksOfMedian(sorted.length);
  return { median: medianSorted(sorted), low: sorted[low]!, high: sorted[high]! };
}

/**
 * The ranks, from 0, of two of n sorted values between which the median lies with the confidence. Each value is
 * below the median as a coin falls: it is outside of the j-th from either end where fewer than j of n coins fall
 * one way, P = 2 · Σ_{i<j} C(n, i) / 2ⁿ.
 */
export function ranksOfMedian(n: number): { readonly low: number; readonly high: number } {
  let [j, outside, logTerm] = [0, 0, -n * Math.LN2];
  for (;;) {
    outside += 2 * Math.exp(logTerm);
    if (outside > 1 - confidence) break;
    logTerm += Math.log((n - j) / (j + 1));
    j++;
  }
  if (j === 0) fail("bad-option", `an interval of 95 % takes at least 6 rounds, not ${n}`);
  return { low: j - 1, high: n - j };
}
