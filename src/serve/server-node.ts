/** The server of Studio: the page, a model and the runs of some folders, for this machine alone. */

import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, option, SecateurError } from "../graph/error.ts";
import { describeIo } from "../onnx/atomic-node.ts";
import { sendError, sendFile, sendJson, sendMissing, type Exchange } from "./answer-node.ts";
import { bringsToken, refuseAddress } from "./guard-node.ts";
import { describeModel, openModel, sendModel, type ServedModel } from "./model-node.ts";
import { Runs } from "./runs-node.ts";
import { fileFor, partsOf } from "./static-node.ts";
import { sendEvents, type Followed } from "./stream-node.ts";

/** The page lies where the package is built, for tests of the sources too. */
const here = import.meta.url;
const built = here.endsWith(".ts") ? "../../dist/studio" : "../studio";
const builtPage = fileURLToPath(new URL(built, here));

export interface StudioOptions {
  readonly version: string;
  /** The folder of the page. */
  readonly page?: string;
  /** The model to begin with. */
  readonly model?: string | undefined;
  /** Folders of runs. */
  readonly runs: readonly string[];
  /** 0 for one that is free. */
  readonly port?: number;
}

/** A server that listens. */
export interface Studio extends AsyncDisposable {
  /** Of the page, with the token. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
}

interface Served {
  readonly version: string;
  readonly page: string;
  readonly model: ServedModel | undefined;
  readonly runs: Runs;
  readonly token: string;
  /** Ends what is being sent. */
  readonly signal: AbortSignal;
}

/**
 * Listens on the loopback address only.
 *
 * @throws SecateurError `io` where the page is not built, a folder of runs is missing, or the port is taken;
 * as {@link openModel} for the model
 */
export async function serveStudio(options: StudioOptions): Promise<Studio> {
  const { version, page = builtPage, model, runs, port = 0 } = options;
  const opened = model === undefined ? undefined : openModel(model);
  for (const folder of runs)
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
      fail("io", `${folder}: there is no folder to look for runs in`);
  if (!existsSync(join(page, "index.html")))
    fail("io", `the page of Studio is not built (${page}); in a clone: npm run build:studio`);
  const token = randomBytes(32).toString("base64url");
  const end = new AbortController();
  const served: Served = {
    version,
    page,
    model: opened,
    runs: new Runs(runs),
    token,
    signal: end.signal,
  };
  const server = createServer((request, response) => void answer({ request, response }, served));
  const taken = await listen(server, port);
  return {
    url: `http://127.0.0.1:${taken}/?token=${token}`,
    port: taken,
    token,
    async [Symbol.asyncDispose]() {
      end.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "it is taken" : describeIo(error);
      reject(new SecateurError("io", `cannot listen on port ${port}: ${why}; give another by ${option("port")}`));
    });
    server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

/** Answers one request. What goes wrong ends that request, and no other. */
async function answer(exchange: Exchange, served: Served): Promise<void> {
  const { response } = exchange;
  try {
    await route(exchange, served);
  } catch (error) {
    if (response.headersSent || response.destroyed) response.destroy();
    else if (error instanceof SecateurError) sendError(exchange, 500, error.message);
    else sendError(exchange, 500, "this should not have happened: please report it");
  }
}

async function route(exchange: Exchange, served: Served): Promise<void> {
  const { request } = exchange;
  const refusal = refuseAddress(request, request.socket.localPort!);
  if (refusal) return sendError(exchange, refusal.status, refusal.why);
  const [path, query = ""] = splitAt(request.url ?? "", "?");
  if (!/^\/api(?:\/|$)/.test(path)) {
    const file = await fileFor(served.page, path);
    return file === undefined ? sendMissing(exchange) : sendFile(exchange, file);
  }
  const [, ...parts] = partsOf(path) ?? [];
  const isStream = parts[0] === "events" || (parts[0] === "runs" && parts[2] === "events");
  const given = new URLSearchParams(query);
  if (!bringsToken(request, served.token, isStream ? given : undefined))
    return sendError(exchange, 401, "the token is missing or wrong; open the address that secateur studio printed");
  return routeApi(exchange, served, parts, given);
}

function splitAt(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

async function routeApi(
  exchange: Exchange,
  { version, model, runs, signal }: Served,
  [kind, ...rest]: readonly string[],
  query: URLSearchParams,
): Promise<void> {
  if (kind === "state" && rest.length === 0)
    return sendJson(exchange, { version, model: model && (await describeModel(model)), runs: await runs.count() });
  if (kind === "model") return sendModel(exchange, model, rest);
  if (kind === "events" && rest.length === 0) {
    const followed = await followedOf(runs, query.getAll("run"));
    return followed.length > 0 ? sendEvents(exchange, followed, signal) : sendMissing(exchange);
  }
  if (kind !== "runs") return sendMissing(exchange);
  const [id, what, ...more] = rest;
  if (id === undefined) return sendJson(exchange, await runs.list());
  if (what === undefined) {
    const record = await runs.record(id);
    return record ? sendJson(exchange, record) : sendMissing(exchange);
  }
  if (what === "events" && more.length === 0) {
    const dir = await runs.dirOf(id);
    const last = exchange.request.headers["last-event-id"] ?? query.get("after") ?? undefined;
    const from = String(last ?? "") || undefined;
    return dir === undefined ? sendMissing(exchange) : sendEvents(exchange, [{ dir, from }], signal);
  }
  if (what !== "model") return sendMissing(exchange);
  const path = await runs.modelOf(id);
  return sendModel(exchange, path === undefined ? undefined : openIfAsked(path, more), more);
}

/** The files beside a model are looked for only where one is asked for. */
const openIfAsked = (path: string, rest: readonly string[]): ServedModel =>
  rest.length === 0 ? { path, external: new Map() } : openModel(path);

/** Browsers allow a page few connections at a time: one stream may be of several runs, `ID` or `ID~LAST` each. */
async function followedOf(runs: Runs, named: readonly string[]): Promise<Followed[]> {
  const found = await Promise.all(
    named.map(async (name) => {
      const [run, from] = splitAt(name, "~");
      const dir = await runs.dirOf(run);
      return dir === undefined ? [] : [{ run, dir, from }];
    }),
  );
  return found.flat();
}
