/** Answers of the server: JSON, and files straight from the disk. */

import { open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { contentTypeOf, safeHeaders } from "./headers.ts";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export function sendJson({ request, response }: Exchange, value: unknown, status = 200): void {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, {
    ...safeHeaders,
    "Content-Type": contentTypeOf(".json"),
    "Content-Length": bytes.length,
    ...(status === 405 && { Allow: "GET, HEAD" }),
    ...(status === 401 && { "WWW-Authenticate": "Bearer" }),
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** Says what is wrong. */
export const sendError = (exchange: Exchange, status: number, error: string): void =>
  sendJson(exchange, { error }, status);

export const sendMissing = (exchange: Exchange): void => sendError(exchange, 404, "there is no such thing here");

/** Sends a file as it is now: of one that grows meanwhile what was there. */
export async function sendFile(exchange: Exchange, path: string, type = contentTypeOf(path)): Promise<void> {
  const { request, response } = exchange;
  const file = await open(path).catch(() => undefined);
  if (!file) return sendMissing(exchange);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return sendMissing(exchange);
    response.writeHead(200, { ...safeHeaders, "Content-Type": type, "Content-Length": stats.size });
    if (request.method === "HEAD" || stats.size === 0) {
      response.end();
      return;
    }
    const stream = file.createReadStream({ start: 0, end: stats.size - 1, autoClose: false, highWaterMark: 2 ** 18 });
    await pipeline(stream, response, { end: false });
    // A file that has become shorter: the reader must not wait for the rest.
    if (stream.bytesRead < stats.size) response.destroy();
    else response.end();
  } finally {
    await file.close();
  }
}
