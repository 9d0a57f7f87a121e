/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */

import { once } from "node:events";
import { safeHeaders } from "./headers.ts";
import type { Exchange } from "./answer-node.ts";
import { follow, type Told } from "./events-node.ts";

/** Milliseconds after which a comment shows that the connection lives, and after which a browser comes back. */
const beat = 15_000;
const comeBack = 2000;

/** A record that is followed. */
export interface Followed {
  readonly dir: string;
  /** The id of the last line that the reader has. */
  readonly from: string | undefined;
  /** Where one stream is of several runs: which it is. */
  readonly run?: string;
}

/** Sends records while they are written, until their runs or the reader have ended. */
export async function sendEvents(
  { request, response }: Exchange,
  followed: readonly Followed[],
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { ...safeHeaders, "Content-Type": "text/event-stream; charset=utf-8" });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const heart = setInterval(() => response.write(": beat\n\n"), beat);
  const either = AbortSignal.any([gone.signal, signal]);
  const send = async ({ dir, from, run }: Followed): Promise<void> => {
    for await (const lot of follow(dir, from, { signal: either })) {
      if (either.aborted) return;
      if (!response.write(lot.map((told) => eventOf(told, run)).join("")))
        await once(response, "drain", { signal: either });
    }
  };
  try {
    response.write(`retry: ${comeBack}\n\n`);
    await Promise.all(followed.map(send));
  } catch (error) {
    if (!either.aborted) throw error;
  } finally {
    clearInterval(heart);
    response.end();
  }
}

function eventOf(told: Told, run: string | undefined): string {
  const idOf = (id: string): string => `id: ${run === undefined ? id : `${run} ${id}`}\n`;
  const dataOf = (data: object): string => `data: ${JSON.stringify({ ...data, run })}\n\n`;
  switch (told.kind) {
    case "line":
      return `${idOf(told.id)}data: ${told.text}\n\n`;
    case "damaged":
      return `${idOf(told.id)}event: damaged\n${dataOf({ why: told.why })}`;
    case "restart":
      // An empty id: whoever comes back begins at the beginning.
      return `id\nevent: restart\n${dataOf({})}`;
    case "state":
      return `event: state\n${dataOf({ state: told.state })}`;
    default:
      return `event: end\n${dataOf({})}`;
  }
}
