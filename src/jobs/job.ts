/** Work that tells of itself while it goes on. */

/** How much of the work is done. */
export interface ProgressEvent {
  readonly kind: "minibatches" | "samples" | "rounds" | "forms";
  readonly done: number;
  /** Absent where the data does not know its size. */
  readonly all?: number | undefined;
}

/**
 * A promise of a result that is also an async iterable of what happens until then. It has begun;
 * events wait until they are asked for.
 */
export interface Job<E, R> extends PromiseLike<R>, AsyncIterable<E> {
  /** The result as a promise, for `catch` and `finally`. */
  readonly result: Promise<R>;
}

/**
 * Begins work that tells of itself.
 *
 * @param work is given a function that tells an event
 * @param onEvent is told an event before those who iterate
 */
export function startJob<E, R>(
  work: (emit: (event: E) => void) => Promise<R>,
  onEvent?: (event: E) => void,
): Job<E, R> {
  const events: E[] = [];
  let [ended, wake] = [false, (): void => undefined];
  const result = work((event) => {
    onEvent?.(event);
    events.push(event);
    wake();
  }).finally(() => {
    ended = true;
    wake();
  });
  return {
    result,
    // oxlint-disable-next-line unicorn/no-thenable
    then: (done, failed) => result.then(done, failed),
    async *[Symbol.asyncIterator]() {
      // Whoever only iterates learns of a failure at the end.
      result.catch(() => undefined);
      for (let next = 0; ; next++) {
        while (next >= events.length) {
          if (ended) {
            await result;
            return;
          }
          await new Promise<void>((resolve) => (wake = resolve));
        }
        yield events[next]!;
      }
    },
  };
}
