/** Work that goes on side by side, awaited to the last: what it used may be disposed of afterwards. */

import type { Session } from "../runtime/port.ts";

/** What all give, once all have ended; the first failure, where one has failed. */
export async function allEnded<T>(running: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(running);
  return ended.map((one) => {
    if (one.status === "rejected") throw one.reason as Error;
    return one.value;
  });
}

/** Sessions that are being opened, once all are; where one cannot be, the others are let go. */
export async function allOrNone(opening: readonly Promise<Session>[]): Promise<Session[]> {
  try {
    return await allEnded(opening);
  } catch (error) {
    for (const one of await Promise.allSettled(opening)) if (one.status === "fulfilled") await one.value.dispose();
    throw error;
  }
}
