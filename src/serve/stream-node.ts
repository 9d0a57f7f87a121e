/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */

import { once } from "node:events";
import { safeHeaders } from "./headers.ts";
import type { Exchange } from "./answer-node.ts";
import { follow, type Told } from "./events-node.ts";

/** Milliseconds after which a comment shows that the connection lives, and after which a browser comes back. */
const beat = 15_000;
const comeBack = 2000;

/** Sends the record of a run while it is written, until the run or the reader has ended. */
export async function sendEvents(
  { request, response }: Exchange,
  dir: string,
  from: string | undefined,
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
  try {
    response.write(`retry: ${comeBack}\n\n`);
    for await (const lot of follow(dir, from, { signal: either })) {
      if (either.aborted) break;
      if (!response.write(lot.map(eventOf).join(""))) await once(response, "drain", { signal: either });
    }
  } catch (error) {
    if (!either.aborted) throw error;
  } finally {
    clearInterval(heart);
    response.end();
  }
}

function eventOf(told: Told): string {
  switch (told.kind) {
    case "line":
      return `id: ${told.id}\ndata: ${told.text}\n\n`;
    case "damaged":
      return `id: ${told.id}\nevent: damaged\ndata: ${JSON.stringify({ why: told.why })}\n\n`;
    case "restart":
      // An empty id: whoever comes back begins at the beginning.
      return "id\nevent: restart\ndata: {}\n\n";
    case "state":
      return `event: state\ndata: ${JSON.stringify({ state: told.state })}\n\n`;
    default:
      return "event: end\ndata: {}\n\n";
  }
}
