/** Reading ahead: the next batch is decoded and augmented while the one before is computed with. */

/** The same items, each asked for when the one before it is handed out. */
export async function* prefetch<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let next = ask(iterator);
  let finished = false;
  try {
    for (;;) {
      const answer = await next;
      if ("error" in answer) {
        finished = true;
        throw answer.error;
      }
      if (answer.done) {
        finished = true;
        return;
      }
      next = ask(iterator);
      yield answer.value;
    }
  } finally {
    if (!finished) {
      await next;
      await iterator.return?.();
    }
  }
}

type Asked<T> = IteratorResult<T, unknown> | { readonly error: unknown };

/** An answer that fails only when it is looked at: nobody waits for it yet. */
const ask = <T>(iterator: AsyncIterator<T>): Promise<Asked<T>> =>
  iterator.next().catch((error: unknown) => ({ error }));
