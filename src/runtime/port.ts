/** The port behind which graphs run: bytes become a session, tensors become tensors. */

import type { Tensor } from "../graph/tensor.ts";

export type Tensors = Readonly<Record<string, Tensor>>;

/** What holds memory outside JavaScript's: dispose of it, or declare it with `await using`. */
export interface Held extends AsyncDisposable {
  dispose(): Promise<void>;
}

/** Both ways to dispose of something. */
export const held = (dispose: () => Promise<void>): Held => ({ dispose, [Symbol.asyncDispose]: dispose });

/** A loaded model. */
export interface Session extends Held {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Runs the model once; one run at a time.
   *
   * @param feeds a tensor for each input that is not carried
   * @param handed more of them, that the session may keep: whoever hands them in does not read them again
   * @returns a tensor for each output that is not carried
   */
  run(feeds: Tensors, handed?: Tensors): Promise<Record<string, Tensor>>;
  /**
   * Runs the model again and again on the same inputs.
   *
   * @returns the milliseconds of each run, taken where it runs
   */
  time(feeds: Tensors, runs: number): Promise<number[]>;
  /**
   * What the carried inputs hold for the next run, by their names.
   *
   * @param last whether there will be none: they are then handed over instead of copied, and the
   * session is good for disposing of only
   */
  carried(last?: boolean): Promise<Record<string, Tensor>>;
}

/** An input that each run takes from an output of the run before, as weights that learn. */
export interface Carried {
  readonly input: string;
  readonly output: string;
  /** What the first run takes; it is copied, unless it is the session's own. */
  readonly start: Tensor;
  readonly own?: boolean | undefined;
  /** Whether runs return the output besides; default not. */
  readonly told?: boolean | undefined;
}

/** A model file, and the files beside it that its weights lie in, by the names that it gives them. */
export interface ModelFiles {
  readonly bytes: Uint8Array;
  readonly external: readonly { readonly path: string; readonly data: Uint8Array }[];
}

export const devices = ["cpu", "webgpu", "cuda", "coreml", "dml"] as const;
/** What sessions compute on, by the names of onnxruntime's execution providers. */
export type Device = (typeof devices)[number];

/** Where work runs, as whoever asks for it chooses. */
export interface MachineOptions {
  /** Default: the CPU. What another device has no kernel for, onnxruntime computes on the CPU all the same. */
  readonly device?: Device | undefined;
  /** Threads within an operator; default: all cores. */
  readonly threads?: number | undefined;
  /**
   * Ends the wait for a run, where the runtime can be left alone with it; what has
   * been asked for by then is thrown away.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What a session takes besides, which the work that it is for decides. */
export interface LoadOptions extends MachineOptions {
  /**
   * Whether the runtime rewrites the graph for speed before the first run, which takes it most
   * of the time of loading; default yes.
   */
  readonly optimise?: boolean | undefined;
  /** What stays with the session from one run to the next instead of going in and out. */
  readonly carried?: readonly Carried[];
}

export interface Runtime {
  readonly name: string;
  /** Threads within an operator where none are asked for. */
  readonly threads: number;
  /** Whether what a run hands to the next one stays in memory of the graphics card, by WebGPU. */
  readonly keepsOnDevice?: boolean;
  /**
   * The same kind of runtime in another thread, by number, where there are threads of their own to be had;
   * its work goes on beside this one's.
   */
  worker?(number: number): Runtime;
  /**
   * @throws SecateurError `bad-model` with the runtime's own message where it does not load, `unsupported` where the
   * device is not to be had or does not take it
   */
  load(model: Uint8Array | ModelFiles, options?: LoadOptions): Promise<Session>;
}

/** A worker of a runtime, or the runtime itself where it has none. */
export const workerOf = (runtime: Runtime, number: number): Runtime => runtime.worker?.(number) ?? runtime;
