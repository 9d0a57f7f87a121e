/** onnxruntime behind the port; Node's and the browser's builds have the same interface. */

import type {
  InferenceSession,
  Tensor as OrtTensor,
  TensorConstructor,
  InferenceSessionFactory,
} from "onnxruntime-common";
import { fail } from "../graph/error.ts";
import { zeros, type DType, type NumericDType, type Tensor, type TypedArray } from "../graph/tensor.ts";
import { providerOf, refuseDevice, requireDevice, type Backend } from "./devices.ts";
import { held, type Carried, type Device, type LoadOptions, type Runtime, type Session } from "./port.ts";

/** What is needed of an onnxruntime package. */
export interface Onnxruntime {
  readonly InferenceSession: InferenceSessionFactory;
  readonly Tensor: TensorConstructor;
  /** What it computes on; the browser's builds do not say. */
  readonly listSupportedBackends?: () => readonly Backend[];
}

/**
 * What ends the process only: the warnings of the optimiser are about graphs, which are ours, and
 * errors are thrown besides, for us to tell.
 */
const fatalOnly = 4;

export interface RuntimeOptions {
  /** What errors call it; default "onnxruntime". */
  readonly name?: string | undefined;
  /** Threads within an operator where none are asked for; default 1. */
  readonly threads?: number | undefined;
  /**
   * Whether the package writes outputs into tensors that it is handed. Node's does; the browser's
   * builds silently do not. Default false.
   */
  readonly writesOutputs?: boolean | undefined;
  /**
   * Whether what a run hands to the next one can stay in memory of the graphics card, by WebGPU: the browser's build
   * can; reading such a tensor ends the process in Node's (onnxruntime 1.30). Default false.
   */
  readonly keepsOnDevice?: boolean | undefined;
}

/**
 * A runtime on the given onnxruntime package (`onnxruntime-node`, `onnxruntime-web/wasm`, ...).
 *
 * @throws SecateurError `bad-option` for what is no such package
 */
export function createRuntime(
  ort: Onnxruntime,
  {
    name = "onnxruntime",
    threads: defaultThreads = 1,
    writesOutputs = false,
    keepsOnDevice = false,
  }: RuntimeOptions = {},
): Runtime {
  if (typeof (ort as Partial<Onnxruntime> | undefined)?.InferenceSession?.create !== "function")
    fail(
      "bad-option",
      'createRuntime takes an onnxruntime package, as `import * as ort from "onnxruntime-web"` gives it',
    );
  return {
    name,
    threads: defaultThreads,
    keepsOnDevice,
    async load(model, { threads = defaultThreads, carried = [], device, optimise = true }: LoadOptions = {}) {
      const { bytes, external } = model instanceof Uint8Array ? { bytes: model, external: [] } : model;
      const open = (on: Device | undefined): Promise<InferenceSession> =>
        ort.InferenceSession.create(bytes, {
          ...(on && { executionProviders: [providerOf(on)] }),
          ...(external.length > 0 && { externalData: external }),
          ...(keepsOnDevice && on === "webgpu" && { preferredOutputLocation: locationsOf(carried) }),
          intraOpNumThreads: threads,
          interOpNumThreads: 1,
          logSeverityLevel: fatalOnly,
          graphOptimizationLevel: optimise ? "all" : "disabled",
          // A pattern would lay all activations out once more, beside what the first run took.
          enableMemPattern: false,
        });
      if (device && ort.listSupportedBackends) requireDevice(device, name, ort.listSupportedBackends());
      try {
        return wrap(ort, await open(device), carried, writesOutputs);
      } catch (error) {
        if (onAnother(device) && (await succeeds(open("cpu")))) refuseDevice(device, messageOf(error));
        fail("bad-model", `onnxruntime does not load the model: ${messageOf(error)}`, error);
      }
    },
  };
}

/** What is carried stays on the device, but for what is told after each run. */
const locationsOf = (carried: readonly Carried[]): Record<string, "cpu" | "gpu-buffer"> =>
  Object.fromEntries(carried.map(({ output, told }) => [output, told ? "cpu" : "gpu-buffer"]));

function wrap(ort: Onnxruntime, session: InferenceSession, given: readonly Carried[], writesOutputs: boolean): Session {
  const toOrt = ({ dtype, data: given, shape }: Tensor): OrtTensor => {
    const data = isShared(given) ? given.slice() : given;
    const tensor = new ort.Tensor(dtype as "float32", data as Float32Array, shape as number[]);
    // Where JavaScript has a Float16Array the package makes one of the bits, which its own native
    // part does not read (onnxruntime 1.30).
    return dtype === "float16" ? Object.defineProperty(tensor, "data", { value: data }) : tensor;
  };
  // Where they start is forgotten: it would be a third set of the weights.
  const carried = given.map(({ input, output, told }) => ({ input, output, told }));
  const fresh = session.outputNames.filter((name) => !carried.some(({ output }) => output === name));
  // Of two sets of the same tensors a run reads one and writes the other: nothing is allocated, and no
  // page is touched for the first time.
  let current = given.map(({ start, own }) => toOrt(own ? start : copyOf(start)));
  let other = writesOutputs
    ? given.map(({ start: { dtype, shape } }) => toOrt(zeros(dtype as NumericDType, shape)))
    : [];
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(fed, handed) {
      const feeds = Object.fromEntries(
        Object.entries({ ...fed, ...handed }).map(([key, tensor]) => [key, toOrt(tensor)]),
      );
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
          letGo(current);
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
    async time(fed, runs) {
      const feeds = Object.fromEntries(Object.entries(fed).map(([key, tensor]) => [key, toOrt(tensor)]));
      const times: number[] = [];
      for (let i = 0; i < runs; i++) {
        const started = performance.now();
        await session.run(feeds);
        times.push(performance.now() - started);
      }
      return times;
    },
    async carried(last = false) {
      // All are asked for at once: whoever disposes of the session meanwhile takes none away.
      const values = await Promise.all(current.map(hereOf));
      return Object.fromEntries(
        carried.map(({ input }, i) => [input, last ? values[i]! : copyOf(values[i]!)] as const),
      );
    },
    ...held(() => {
      letGo(current);
      return session.release();
    }),
  };
}

const onAnother = (device: Device | undefined): device is Exclude<Device, "cpu"> => (device ?? "cpu") !== "cpu";

/** Whether a model loads; what it was loaded into is let go. */
const succeeds = (opened: Promise<InferenceSession>): Promise<boolean> =>
  opened.then(
    (session) => session.release().then(() => true),
    () => false,
  );

/**
 * Whether elements lie in memory that several threads read, as the weights of a file do in Node:
 * the package refuses to be fed with it.
 */
const isShared = (data: Tensor["data"]): data is TypedArray =>
  ArrayBuffer.isView(data) && typeof SharedArrayBuffer !== "undefined" && data.buffer instanceof SharedArrayBuffer;

const isOnDevice = ({ location }: OrtTensor): boolean => location === "gpu-buffer";

/** The memory of a device is not collected: whoever has done with a tensor there has to say so. */
const letGo = (tensors: readonly OrtTensor[]): void => tensors.filter(isOnDevice).forEach((tensor) => tensor.dispose());

/** A tensor in memory of the processor. What stays on the device too is good for the next run. */
async function hereOf(tensor: OrtTensor): Promise<Tensor> {
  if (!isOnDevice(tensor)) return fromOrt(tensor);
  const { type, dims } = tensor;
  return fromOrt({ type, dims, data: await tensor.getData(false) });
}

const copyOf = (value: Tensor): Tensor => ({ ...value, data: value.data.slice() });

const fromOrt = ({ type, dims, data }: Pick<OrtTensor, "type" | "dims" | "data">): Tensor => ({
  dtype: type as DType,
  shape: dims,
  data: type === "float16" ? bitsOf(data as ArrayBufferView) : (data as TypedArray),
});

const bitsOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint16Array =>
  new Uint16Array(buffer, byteOffset, byteLength / 2);

/** The first line, without the place in onnxruntime's source and the condition that did not hold there. */
function messageOf(error: unknown): string {
  const [line] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line!.replace(/^\S+:\d+ .* was false\. /, "").replace(/\.$/, "");
}
