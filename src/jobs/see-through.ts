/**
 * What exporters leave of weights that a program computes anew each time: the arithmetic is done
 * once, and the model has the results.
 */

import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { isShort, narrowTensor, widen } from "../passes/widen.ts";
import { weightArithmetic, withResults } from "../passes/weight-arithmetic.ts";
import { defaultRuntime } from "../runtime/default.ts";
import type { Runtime } from "../runtime/port.ts";
import { executable } from "../execute/executable.ts";

/**
 * The model with every weight that it computes from other weights alone as the weight that comes out: standardised,
 * normalised or composed of two, it is then cut, ranked and trained like any other. The same model where there is none.
 *
 * @param runtime default: the one of `useRuntime`, asked for only where there is something to compute
 * @throws SecateurError `unsupported` where the runtime can not compute it
 */
export async function seeThrough(model: Model, runtime?: Runtime): Promise<Model> {
  const arithmetic = weightArithmetic(model.graph);
  // The runtime has hardly a kernel for this type, and what is computed of weights by
  // coupled operators can be cut as it stands.
  const isBrain = ({ dtype }: { readonly dtype: string }): boolean => dtype === "bfloat16";
  if (arithmetic === undefined || [...arithmetic.graph.initializers.values()].some(isBrain)) return model;
  const chosen = runtime ?? defaultRuntime();
  const wide = executable(widen(arithmetic.graph));
  const results = new Map<string, Tensor>();
  try {
    const session = await chosen.load(wide, { threads: 1, optimise: false });
    try {
      const found = await session.run({});
      for (const { name, dtype } of arithmetic.graph.outputs)
        results.set(name, isShort(dtype) ? narrowTensor(found[name]!, dtype) : found[name]!);
    } finally {
      await session.dispose();
    }
  } catch (error) {
    const names = [...new Set(arithmetic.sources.values())].slice(0, 3).join(", ");
    fail(
      "unsupported",
      `what the model computes from its weights ${names} alone can not be computed: ${reasonOf(error)}`,
      error,
    );
  }
  return { ...model, graph: withResults(model.graph, arithmetic, results) };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
