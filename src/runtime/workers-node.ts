/**
 * onnxruntime-node in a worker thread: its runs block the thread that asks for them, and here
 * that is not the one that draws progress.
 */

import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { fail } from "../graph/error.ts";
import type { Tensor, TypedArray } from "../graph/tensor.ts";
import { keepFloat32 } from "./float32-node.ts";
import { held, type LoadOptions, type ModelFiles, type Runtime, type Session, type Tensors } from "./port.ts";
import type { Answer, Loaded } from "./session-worker-node.ts";

/** Sources are not what a worker of Node 20 can run: tests take the worker that was built. */
const here = import.meta.url;
const built = here.endsWith(".ts") ? "../../dist/runtime/" : "./";
const worker = new URL(`${built}session-worker-node.js`, here);

/** What workers are asked for at the moment. */
const running = new Set<Promise<unknown>>();

/**
 * Waits until no worker runs anything. A process that exits waits for what runs in native code in any case, and there
 * is killed by onnxruntime, which finds no JavaScript to give its results to.
 */
export async function workersIdle(): Promise<void> {
  while (running.size > 0) await Promise.allSettled(running);
}

/**
 * A runtime whose sessions live in one worker thread, which starts with the first of them and does not keep the process
 * alive. Its workers are such runtimes too; the first is itself.
 */
export function createWorkerRuntime(name: string): Runtime {
  const workers: Runtime[] = [];
  const runtime: Runtime = {
    ...createWorker(name),
    worker(number) {
      while (workers.length <= number) workers.push(createWorker(name));
      return workers[number]!;
    },
  };
  workers.push(runtime);
  return runtime;
}

function createWorker(name: string): Runtime {
  let pool: Piscina | undefined;
  const ask = async <T>(name: string, task: unknown, handed: Tensors = {}): Promise<T> => {
    pool ??= new Piscina({
      filename: worker.href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      // A worker that waits for its next task blocked would not let go of memory.
      atomics: "disabled",
    });
    const asked: Promise<unknown> = pool.run(task, { name, transferList: buffersOf(handed) });
    running.add(asked);
    const answer = (await asked.finally(() => running.delete(asked))) as Answer<T>;
    return "error" in answer ? fail(answer.error.code, answer.error.message) : answer.value;
  };
  return {
    name,
    threads: availableParallelism(),
    async load(model: Uint8Array | ModelFiles, options: LoadOptions = {}): Promise<Session> {
      const { signal, device } = options;
      keepFloat32(device);
      const task = { model: wholeModel(model), options: plain(options) };
      const { id, inputs, outputs } = await unless(signal, ask<Loaded>("load", task));
      return {
        inputs,
        outputs,
        run(feeds, handed = {}) {
          const moved = compactAll(handed);
          return unless(signal, ask("run", { id, feeds: { ...compactAll(feeds), ...moved } }, moved));
        },
        time: (feeds, runs) => unless(signal, ask("time", { id, feeds: compactAll(feeds), runs })),
        carried: (last = false) => unless(signal, ask("carried", { id, last })),
        ...held(async () => {
          const disposed = ask<void>("dispose", { id });
          // Behind a run that nobody waits for any more it would take as long as that run.
          if (!signal?.aborted) await disposed;
        }),
      };
    },
  };
}

/** What was asked for, or the reason of the signal as soon as it is given. */
function unless<T>(signal: AbortSignal | undefined, asked: Promise<T>): Promise<T> {
  if (!signal) return asked;
  return new Promise((resolve, reject) => {
    const give = () => reject(signal.reason as Error);
    if (signal.aborted) give();
    signal.addEventListener("abort", give, { once: true });
    asked.then(resolve, reject).finally(() => signal.removeEventListener("abort", give));
  });
}

/** Only what is for the runtime: callers hand in their own options, with functions that cannot leave the thread. */
const plain = ({ device, threads = availableParallelism(), optimise, carried = [] }: LoadOptions): LoadOptions => ({
  device,
  threads,
  optimise,
  carried: carried.map(({ input, output, start, told }) => ({ input, output, start: compact(start), told })),
});

const compactAll = (tensors: Tensors): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, compact(tensor)]));

const compact = ({ dtype, shape, data }: Tensor): Tensor => ({
  dtype,
  shape,
  data: ArrayBuffer.isView(data) ? whole(data) : data,
});

/** The same elements in a buffer of their own: what crosses threads takes the whole buffer behind it along. */
const whole = <T extends TypedArray>(data: T): T =>
  data.byteLength === data.buffer.byteLength ? data : (data.slice() as T);

/** What is handed over instead of copied. */
const buffersOf = (tensors: Tensors): ArrayBuffer[] => [
  ...new Set(
    Object.values(tensors).flatMap(({ data }) =>
      ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer ? [data.buffer] : [],
    ),
  ),
];

/** The same bytes where both threads read them: what is cloned on its way is in memory three times. */
function shared(data: Uint8Array): Uint8Array {
  if (data.buffer instanceof SharedArrayBuffer) return data;
  const copy = new Uint8Array(new SharedArrayBuffer(data.byteLength));
  copy.set(data);
  return copy;
}

const wholeModel = (model: Uint8Array | ModelFiles): Uint8Array | ModelFiles =>
  model instanceof Uint8Array
    ? whole(model)
    : {
        bytes: whole(model.bytes),
        external: model.external.map(({ path, data }) => ({ path, data: shared(data) })),
      };

/** onnxruntime-node on all cores, in a thread of its own. */
export const nodeRuntime: Runtime = createWorkerRuntime("onnxruntime-node");
