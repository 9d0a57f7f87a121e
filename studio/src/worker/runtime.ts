/** onnxruntime in the worker: WebGPU where it is there, else wasm with threads where the page is isolated. */

import type * as Ort from "onnxruntime-web/wasm";
import { createRuntime, useRuntime, type Runtime } from "secateur";

interface Machine {
  readonly threads: number;
  readonly isolated: boolean;
  readonly webgpu: boolean;
}

let known: Promise<{ readonly runtime: Runtime; readonly machine: Machine }> | undefined;

/** More threads than this gain nothing on nets that fit in a browser. */
const mostThreads = 8;

/** The runtime, loaded when it is first needed: its wasm has megabytes. */
export const runtime = async (): Promise<Runtime> => (await (known ??= open())).runtime;

/** What there is to compute on. */
export const machine = async (): Promise<Machine> => (await (known ??= open())).machine;

/** What a figure was computed on, in words. */
export function inWords({ threads, isolated }: Machine, device: "cpu" | "webgpu"): string {
  if (device === "webgpu") return "WebGPU";
  if (threads > 1) return `wasm, ${threads} threads`;
  return isolated ? "wasm, one thread" : "wasm, one thread: the page is not cross-origin isolated";
}

async function open(): Promise<{ runtime: Runtime; machine: Machine }> {
  const webgpu = await hasWebgpu();
  const ort: typeof Ort = webgpu ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  const isolated = self.crossOriginIsolated;
  const threads = isolated ? Math.min(mostThreads, navigator.hardwareConcurrency || 1) : 1;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  const runtime = yielding(createRuntime(ort, { name: "onnxruntime-web", threads, keepsOnDevice: webgpu }));
  useRuntime(runtime);
  return { runtime, machine: { threads, isolated, webgpu } };
}

async function hasWebgpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  try {
    return gpu !== undefined && (await gpu.requestAdapter()) !== null;
  } catch {
    return false;
  }
}

/**
 * The same runtime, which lets messages in before each run: a run of wasm holds the thread, and what awaits one after
 * the other would never hear that it is to stop.
 */
const yielding = (runtime: Runtime): Runtime => ({
  ...runtime,
  async load(model, options) {
    await messages();
    options?.signal?.throwIfAborted();
    const session = await runtime.load(model, options);
    return {
      ...session,
      async run(feeds, handed) {
        await messages();
        options?.signal?.throwIfAborted();
        return session.run(feeds, handed);
      },
    };
  },
});

const { port1, port2 } = new MessageChannel();
port1.start();

/** Waits until all messages that are here have been read. */
const messages = (): Promise<void> =>
  new Promise((resolve) => {
    port1.addEventListener("message", () => resolve(), { once: true });
    port2.postMessage(undefined);
  });
