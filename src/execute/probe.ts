/** What is found of a runtime by trying: once, as it does not change. */

import type { Runtime } from "../runtime/port.ts";

/** A probe that answers from what it found before, where it has tried a runtime already. */
export function once<T>(probe: (runtime: Runtime) => Promise<T>): (runtime: Runtime) => Promise<T> {
  const known = new WeakMap<Runtime, Promise<T>>();
  return (runtime) => {
    const found = known.get(runtime) ?? probe(runtime);
    known.set(runtime, found);
    return found;
  };
}
