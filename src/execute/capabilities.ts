/** What graphs that only the runtime at hand runs may be written for; found by trying. */

import { GraphBuilder } from "../graph/builder.ts";

import { float32, sizeOf, type Shape, type Tensor } from "../graph/tensor.ts";
import { plainAttributes, type Op, type Sample, type Value } from "../ops/core/define.ts";
import { createEmitter, valueIn } from "../ops/emitter.ts";
import { ops } from "../ops/table.ts";
import type { Capabilities } from "../passes/lower.ts";
import type { Device, Runtime } from "../runtime/port.ts";
import { channelBlockOf } from "./channel-block.ts";
import { once } from "./probe.ts";
import { executable } from "./executable.ts";

/** The kernels of a runtime that suit a session of so many threads. */
export async function capabilitiesOf(runtime: Runtime, threads: number, device: Device = "cpu"): Promise<Capabilities> {
  const alone = device === "cpu" && threads === 1;
  return { block: await channelBlockOf(runtime, device), singleThreaded: alone && (await hasSingleThreaded(runtime)) };
}

/** Whether a runtime has all the kernels that operators are written for where a session has one thread. */
const hasSingleThreaded = once(async (runtime: Runtime): Promise<boolean> => {
  try {
    for (const op of ops.values())
      for (const sample of op.singleThreaded ? op.samples : []) if (!(await isSame(runtime, op, sample))) return false;
    return true;
  } catch {
    // A runtime without such a kernel does not load it; other operators do.
    return false;
  }
});

/** Whether an operator's serial form gives what other operators give. */
async function isSame(runtime: Runtime, op: Op, { inputs, attributes, outputs = 1 }: Sample): Promise<boolean> {
  const shapes = inputs as readonly Shape[];
  const builder = GraphBuilder.empty();
  const g = createEmitter(builder);
  const values = shapes.map((shape) => valueIn(builder, builder.input("x", { dtype: "float32", shape })));
  const plain = { ...plainAttributes(op, {}), ...attributes };
  const [singleThreaded, others] = [
    op.singleThreaded!(g, values, plain, outputs),
    op.decompose!(g, values, plain, outputs),
  ];
  if (singleThreaded === undefined || others === undefined) return true;
  const names = (of: readonly Value[]): string[] => of.map(({ name }) => name);
  const session = await runtime.load(executable(builder.finish([...names(singleThreaded), ...names(others)])), {
    threads: 1,
  });
  try {
    const results = await session.run(Object.fromEntries(values.map(({ name, shape }, i) => [name, ramp(shape, i)])));
    return singleThreaded.every(({ name }, i) => isClose(results[name]!, results[others[i]!.name]!));
  } finally {
    await session.dispose();
  }
}

/** Numbers above 0, as a variance has to be. */
const ramp = (shape: Shape, start: number): Tensor =>
  float32(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7 + start) % 17) / 17 + 0.5),
  );

const isClose = ({ data: a }: Tensor, { data: b }: Tensor): boolean =>
  (a as Float32Array).every((value, i) => Math.abs(value - (b as Float32Array)[i]!) < 1e-4);
