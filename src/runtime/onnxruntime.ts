/** onnxruntime behind the port; Node's and the browser's builds have the same interface. */

import type {
  InferenceSession,
  Tensor as OrtTensor,
  TensorConstructor,
  InferenceSessionFactory,
} from "onnxruntime-common";
import { fail } from "../graph/error.ts";
import type { DType, Tensor, TypedArray } from "../graph/tensor.ts";
import type { Carried, LoadOptions, Runtime, Session } from "./port.ts";

/** What is needed of an onnxruntime package. */
export interface Onnxruntime {
  readonly InferenceSession: InferenceSessionFactory;
  readonly Tensor: TensorConstructor;
}

/** Errors only: the warnings of the optimiser are about graphs, which are ours. */
const errorsOnly = 3;

/**
 * A runtime on the given onnxruntime package (`onnxruntime-node`, `onnxruntime-web/wasm`, ...).
 *
 * @param writesInto whether outputs that are handed in are written; the browser's builds ignore them silently
 */
export function createRuntime(name: string, ort: Onnxruntime, defaultThreads: number, writesInto: boolean): Runtime {
  return {
    name,
    async load(model, { threads = defaultThreads, carried = [] }: LoadOptions = {}) {
      try {
        const { bytes, external } = model instanceof Uint8Array ? { bytes: model, external: [] } : model;
        const session = await ort.InferenceSession.create(bytes, {
          ...(external.length > 0 && { externalData: external }),
          intraOpNumThreads: threads,
          interOpNumThreads: 1,
          logSeverityLevel: errorsOnly,
          graphOptimizationLevel: "all",
          // A pattern would lay all activations out once more, beside what the first run took.
          enableMemPattern: false,
        });
        return wrap(ort, session, carried, writesInto);
      } catch (error) {
        fail("bad-model", `onnxruntime does not load the model: ${messageOf(error)}`, error);
      }
    },
  };
}

function wrap(ort: Onnxruntime, session: InferenceSession, carried: readonly Carried[], writesInto: boolean): Session {
  const toOrt = ({ dtype, data, shape }: Tensor): OrtTensor =>
    new ort.Tensor(dtype as "float32", data as Float32Array, shape as number[]);
  const fresh = session.outputNames.filter((name) => !carried.some(({ output }) => output === name));
  // Of two sets of the same tensors a run reads one and writes the other: nothing is allocated, and no page is touched for the first time.
  let current = carried.map(({ start }) => toOrt(copyOf(start)));
  let other = writesInto ? carried.map(({ start }) => toOrt(copyOf(start))) : [];
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(given) {
      const feeds = Object.fromEntries(Object.entries(given).map(([key, tensor]) => [key, toOrt(tensor)]));
      carried.forEach(({ input }, i) => (feeds[input] = current[i]!));
      let results: Awaited<ReturnType<InferenceSession["run"]>>;
      try {
        if (other.length > 0) {
          const fetches: Record<string, OrtTensor | null> = Object.fromEntries(fresh.map((key) => [key, null]));
          carried.forEach(({ output }, i) => (fetches[output] = other[i]!));
          results = await session.run(feeds, fetches);
          [current, other] = [other, current];
        } else {
          results = await session.run(feeds);
          current = carried.map(({ output }) => results[output]!);
        }
      } catch (error) {
        fail("bad-model", `onnxruntime stopped: ${messageOf(error)}`, error);
      }
      const told = carried.flatMap(({ output, told: wanted }, i) =>
        wanted ? [[output, copyOf(fromOrt(current[i]!))] as const] : [],
      );
      return Object.fromEntries([...fresh.map((key) => [key, fromOrt(results[key]!)] as const), ...told]);
    },
    async time(given, runs) {
      const feeds = Object.fromEntries(Object.entries(given).map(([key, tensor]) => [key, toOrt(tensor)]));
      const times: number[] = [];
      for (let i = 0; i < runs; i++) {
        const started = performance.now();
        await session.run(feeds);
        times.push(performance.now() - started);
      }
      return times;
    },
    carried: async () => Object.fromEntries(carried.map(({ input }, i) => [input, copyOf(fromOrt(current[i]!))])),
    dispose: () => session.release(),
  };
}

const copyOf = (value: Tensor): Tensor => ({ ...value, data: value.data.slice() });

const fromOrt = ({ type, dims, data }: OrtTensor): Tensor => ({
  dtype: type as DType,
  shape: dims,
  data: data as TypedArray,
});

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
