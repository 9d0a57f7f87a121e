/** What is computed when it is first asked for, and once. */

/** A function that computes its result when it is first asked for it. */
export function once<T>(compute: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => (known ??= { value: compute() }).value;
}

/** An object of which each property is computed when it is first read. What throws is computed again. */
export function lazily<T extends object>(compute: { readonly [K in keyof T]: () => T[K] }): T {
  const made = {} as T;
  for (const key of Object.keys(compute) as (keyof T)[])
    Object.defineProperty(made, key, { get: once(compute[key]), enumerable: true });
  return made;
}
