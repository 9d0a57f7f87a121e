/** A server of Studio over folders of a test, and requests as no browser would make them. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RunRecord } from "../../src/report/record.ts";
import { serveStudio, type Studio, type StudioOptions } from "../../src/serve/server-node.ts";
import { config, smallRecords, summary } from "../report/small-run.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without it the token of the server; null for none. */
  readonly token?: string | null;
  /** Is told when the headers have come. */
  readonly onBegin?: () => void;
}

const headersFor = ({ port, token: own }: Studio, { headers, token = own }: Asked): Record<string, string> => ({
  host: `127.0.0.1:${port}`,
  ...(token !== null && { authorization: `Bearer ${token}` }),
  ...headers,
});

/** Asks for a path that is sent as it is given. */
export function ask(studio: Studio, path: string, asked: Asked = {}): Promise<Answer> {
  const { method = "GET", onBegin } = asked;
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port: studio.port, path, method, headers: headersFor(studio, asked), agent: false },
      (response) => {
        onBegin?.();
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(pieces);
          resolve({ status: response.statusCode!, headers: response.headers, bytes, text: bytes.toString() });
        });
      },
    );
    sent.on("error", reject);
    sent.end();
  });
}

export const askJson = async <T>(studio: Studio, path: string, asked?: Asked): Promise<T> => {
  const { status, text } = await ask(studio, path, asked);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return JSON.parse(text) as T;
};

/** A server-sent event. */
export interface Sent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

export interface Stream extends Disposable {
  readonly all: readonly Sent[];
  /** Waits until what has come is as wanted, and returns it. */
  until(is: (all: readonly Sent[]) => boolean): Promise<readonly Sent[]>;
  readonly closed: Promise<void>;
}

/** Reads events as a browser does. */
export function listen(studio: Studio, path: string, asked: Asked = {}): Stream {
  const all: Sent[] = [];
  let [text, closed] = ["", false];
  let look = (): void => {};
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const sent = request(
    { host: "127.0.0.1", port: studio.port, path, headers: headersFor(studio, asked), agent: false },
    (response) => {
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
        const blocks = text.split("\n\n");
        text = blocks.pop()!;
        all.push(...blocks.flatMap(eventOf));
        look();
      });
      response.on("close", () => {
        closed = true;
        look();
        end();
      });
      response.on("error", () => {});
    },
  );
  sent.on("error", () => {});
  sent.end();
  return {
    all,
    closed: ended,
    until: (is) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`waited in vain: ${JSON.stringify(all)}`)), 15_000);
        look = () => {
          if (!is(all) && !closed) return;
          clearTimeout(late);
          if (is(all)) resolve([...all]);
          else reject(new Error(`it ended with ${JSON.stringify(all)}`));
        };
        look();
      }),
    [Symbol.dispose]: () => void sent.destroy(),
  };
}

function eventOf(block: string): Sent[] {
  const fields = new Map(
    block
      .split(/\r\n|\r|\n/)
      .filter((line) => !line.startsWith(":"))
      .map((line) => /^([^:]*)(?:: ?(.*))?$/s.exec(line)!)
      .map(([, name, value = ""]) => [name!, value]),
  );
  if (!fields.has("data")) return [];
  return [{ event: fields.get("event") ?? "message", id: fields.get("id"), data: JSON.parse(fields.get("data")!) }];
}

export interface Place extends AsyncDisposable {
  readonly folder: string;
  at(...names: string[]): string;
  write(name: string, content: string | Uint8Array): string;
  serve(options?: Partial<StudioOptions>): Promise<Studio>;
}

/** A folder with a page in `page`, and `runs` for runs. */
export function openPlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), "secateur-serve-"));
  const servers: Studio[] = [];
  const at = (...names: string[]): string => join(folder, ...names);
  const write = (name: string, content: string | Uint8Array): string => {
    mkdirSync(dirname(at(name)), { recursive: true });
    writeFileSync(at(name), content);
    return at(name);
  };
  write("page/index.html", "<!doctype html><title>Studio</title>");
  mkdirSync(at("runs"));
  return {
    folder,
    at,
    write,
    async serve(options) {
      const studio = await serveStudio({ version: "1.2.3", page: at("page"), runs: [at("runs")], ...options });
      servers.push(studio);
      return studio;
    },
    async [Symbol.asyncDispose]() {
      for (const studio of servers) await studio[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const lines = (records: readonly RunRecord[]): string =>
  records.map((record) => `${JSON.stringify(record)}\n`).join("");

export interface WrittenRun {
  readonly command?: string;
  readonly started?: string;
  readonly records?: readonly RunRecord[];
  /** Of a run that is finished: what it wrote. */
  readonly output?: string;
  /** The process that it goes on in. */
  readonly pid?: number;
}

/** Writes the directory of a run, and returns where its events are. */
export function writeRun(place: Place, name: string, run: WrittenRun = {}): string {
  const { command = "prune", started = config.started, records = smallRecords(), output, pid } = run;
  place.write(`${name}/config.json`, JSON.stringify({ ...config, command, started }));
  if (output !== undefined) place.write(`${name}/summary.json`, JSON.stringify({ ...summary, output }));
  if (pid !== undefined) place.write(`${name}/lock`, String(pid));
  return place.write(`${name}/events.jsonl`, lines(records));
}
