/** What runs in a worker thread: sessions of onnxruntime-node, by number. */

import { transferableSymbol, valueSymbol } from "piscina";
import { SecateurError, type ErrorCode } from "../graph/error.ts";
import { directRuntime } from "./onnxruntime-node.ts";
import type { TypedArray } from "../graph/tensor.ts";
import type { Carried, LoadOptions, ModelFiles, Session, Tensors } from "./port.ts";

/** An answer; errors come as data, as an error that crosses threads loses its code. */
export type Answer<T> =
  | { readonly value: T }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

export interface Loaded {
  readonly id: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

const sessions = new Map<number, Session>();
let loads = 0;

export const load = ({
  model,
  options,
}: {
  model: Uint8Array | ModelFiles;
  options: LoadOptions;
}): Promise<Answer<Loaded>> =>
  answer(async () => {
    const carried = options.carried && ownedOnce(options.carried);
    const session = await directRuntime.load(model, { ...options, ...(carried && { carried }) });
    loads++;
    sessions.set(loads, session);
    return { id: loads, inputs: session.inputs, outputs: session.outputs };
  });

/** What came over to this thread is nobody else's; what two start from came over once, and is the first one's. */
function ownedOnce(carried: readonly Carried[]): Carried[] {
  const owned = new Set<ArrayBufferLike>();
  return carried.map((one) => {
    const { buffer } = one.start.data as TypedArray;
    const own = !owned.has(buffer);
    owned.add(buffer);
    return { ...one, own };
  });
}

export const run = ({ id, feeds }: { id: number; feeds: Tensors }): Promise<Answer<Tensors>> =>
  answer(() => sessions.get(id)!.run(feeds)).then(moved);

export const time = ({ id, feeds, runs }: { id: number; feeds: Tensors; runs: number }): Promise<Answer<number[]>> =>
  answer(() => sessions.get(id)!.time(feeds, runs));

export const carried = ({ id, last }: { id: number; last: boolean }): Promise<Answer<Tensors>> =>
  answer(() => sessions.get(id)!.carried(last)).then(moved);

export const dispose = ({ id }: { id: number }): Promise<Answer<void>> =>
  answer(async () => {
    await sessions.get(id)?.dispose();
    sessions.delete(id);
  });

async function answer<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    if (error instanceof SecateurError) return { error: { code: error.code, message: error.message } };
    throw error;
  }
}

/** The answer with its tensors handed over instead of copied. */
function moved(given: Answer<Tensors>): Answer<Tensors> {
  const tensors = "value" in given ? Object.values(given.value) : [];
  const buffers = new Set(tensors.flatMap(({ data }) => (ArrayBuffer.isView(data) ? [data.buffer] : [])));
  const handed = { ...given, [transferableSymbol]: [...buffers], [valueSymbol]: given };
  return handed;
}
