/** onnxruntime behind the port; Node's and the browser's builds have the same interface. */

import type {
  InferenceSession,
  Tensor as OrtTensor,
  TensorConstructor,
  InferenceSessionFactory,
} from "onnxruntime-common";
import { fail } from "../graph/error.ts";
import type { DType, Tensor, TypedArray } from "../graph/tensor.ts";
import type { LoadOptions, Runtime, Session, Tensors } from "./port.ts";

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
    async load(model, { threads = defaultThreads }: LoadOptions = {}) {
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
        return wrap(ort, session, writesInto);
      } catch (error) {
        fail("bad-model", `onnxruntime does not load the model: ${messageOf(error)}`, error);
      }
    },
  };
}

function wrap(ort: Onnxruntime, session: InferenceSession, writesInto: boolean): Session {
  const outgoing = new WeakMap<object, OrtTensor>();
  const toOrt = (tensor: Tensor): OrtTensor => {
    const known = outgoing.get(tensor);
    if (known) return known;
    const made = new ort.Tensor(tensor.dtype as "float32", tensor.data as Float32Array, tensor.shape as number[]);
    outgoing.set(tensor, made);
    return made;
  };
  const convert = (tensors: Tensors) =>
    Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [key, toOrt(tensor)]));
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds, into) {
      let results: Awaited<ReturnType<InferenceSession["run"]>>;
      try {
        const fetches: Record<string, OrtTensor | null> = {};
        const given = writesInto ? into : undefined;
        if (given) for (const name of session.outputNames) fetches[name] = given[name] ? toOrt(given[name]) : null;
        results = await (given ? session.run(convert(feeds), fetches) : session.run(convert(feeds)));
      } catch (error) {
        fail("bad-model", `onnxruntime stopped: ${messageOf(error)}`, error);
      }
      const outputs: Record<string, Tensor> = {};
      for (const [key, value] of Object.entries(results))
        outputs[key] = (writesInto && into?.[key]) || {
          dtype: value.type as DType,
          shape: value.dims,
          data: value.data as TypedArray,
        };
      return outputs;
    },
    dispose: () => session.release(),
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
