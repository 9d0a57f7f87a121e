/** How long models take: run in turns, so that whatever else the machine does falls on all of them alike. */

import { medianSorted } from "simple-statistics";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { encodeForRuntime } from "../onnx/encode.ts";
import type { NormaliseOptions } from "../passes/normalise.ts";
import { trace } from "../passes/trace.ts";
import { drawInputs } from "../prune/prove.ts";
import type { LoadOptions, Runtime, Session } from "../runtime/port.ts";
import { prepare } from "../train/prepare.ts";

/** What one run of a model takes, in milliseconds. */
export interface Latency {
  /** Over the rounds. */
  readonly median: number;
  /** The interval in which the median lies with 95 % confidence, by order statistics. */
  readonly low: number;
  readonly high: number;
}

export interface LatencyOptions extends Pick<LoadOptions, "threads" | "signal">, NormaliseOptions {
  /** How often each model is timed; default 50, at least 6: fewer times have no interval of 95 %. */
  readonly rounds?: number;
  /** Samples of a run; default 1. */
  readonly batch?: number;
  /** Of the inputs that are drawn; default 0. */
  readonly seed?: number;
  readonly onProgress?: (rounds: number, total: number) => void;
}

const confidence = 0.95;
/** Rounds whose times are thrown away: caches fill, clocks rise. */
const warmUp = 5;
/** A time is the mean of as many runs as take this many milliseconds: a single short run is lost in the noise of the clock. */
const leastTime = 5;

/**
 * Times several models on random inputs. In every round each is timed once, and the one that was first is the last of the next.
 *
 * The interval goes from one order statistic to another and assumes nothing of how the times are distributed.
 *
 * @returns a latency for each model, in their order
 */
export async function measureLatency(
  runtime: Runtime,
  models: readonly Model[],
  options: LatencyOptions = {},
): Promise<Latency[]> {
  const { rounds = 50, batch = 1, seed = 0, threads, signal, onProgress } = options;
  const ranks = ranksOfMedian(rounds);
  const timed: { session: Session; feeds: Record<string, Tensor>; runs: number; times: number[] }[] = [];
  try {
    for (const model of models) {
      const graph = prepare(model, options);
      const feeds = drawInputs(trace(graph, { batch }), seed);
      const session = await runtime.load(encodeForRuntime({ ...model, graph }), { threads, signal });
      timed.push({ session, feeds, runs: 1, times: [] });
    }
    for (let round = 0; round < warmUp + rounds; round++) {
      for (const one of [...timed.slice(round % timed.length), ...timed.slice(0, round % timed.length)]) {
        const started = performance.now();
        for (let run = 0; run < one.runs; run++) {
          signal?.throwIfAborted();
          await one.session.run(one.feeds);
        }
        one.times.push((performance.now() - started) / one.runs);
      }
      if (round === warmUp - 1)
        for (const one of timed) {
          one.runs = Math.max(1, Math.ceil(leastTime / Math.min(...one.times)));
          one.times.length = 0;
        }
      if (round >= warmUp) onProgress?.(round - warmUp + 1, rounds);
    }
  } finally {
    for (const { session } of timed) await session.dispose();
  }
  return timed.map(({ times }) => {
    const sorted = times.sort((a, b) => a - b);
    return { median: medianSorted(sorted), low: sorted[ranks.low]!, high: sorted[ranks.high]! };
  });
}

/**
 * The ranks, from 0, of two of n sorted values between which the median lies with the confidence. Each value is below the median as a
 * coin falls: it is outside of the j-th from either end where fewer than j of n coins fall one way, P = 2 · Σ_{i<j} C(n, i) / 2ⁿ.
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
