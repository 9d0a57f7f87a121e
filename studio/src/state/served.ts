/** What the server of `secateur studio` has; the page works without one. */

import { signal } from "@preact/signals";
import { openFiles } from "./network.ts";
import { during } from "./work.ts";

export interface Served {
  readonly version: string;
  readonly model?: { readonly name: string; readonly bytes: number; readonly external: readonly string[] };
  readonly runs: number;
}

/** Absent where the page is served as files alone. */
export const served = signal<Served | undefined>(undefined);

const token = new URLSearchParams(location.search).get("token");

/**
 * Asks the server; without a token there is none to ask.
 *
 * @public
 */
export async function ask(path: string): Promise<Response> {
  const response = await fetch(`api/${path}`, { headers: { Authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`the server answers ${response.status} to ${path}: is the page of an older start?`);
  return response;
}

/**
 * The address of a stream of events, which takes the token with it.
 *
 * @public
 */
export const streamOf = (path: string): string => `api/${path}?token=${encodeURIComponent(token ?? "")}`;

/** Opens what the server was started with. */
export async function greet(): Promise<void> {
  if (token === null) return;
  await during("asking the server", async () => {
    served.value = (await (await ask("state")).json()) as Served;
  });
  const model = served.value?.model;
  if (!model) return;
  const rest = model.external.map(async (name) => ({
    path: name,
    blob: await (await ask(`model/external/${name.split("/").map(encodeURIComponent).join("/")}`)).blob(),
  }));
  const files = await during("reading the model", async () => [
    { path: model.name, blob: await (await ask("model")).blob() },
    ...(await Promise.all(rest)),
  ]);
  if (files) await openFiles(files);
}

/** A small net that comes with the page. */
export const openSample = async (): Promise<void> => {
  const blob = await during("reading the sample", async () => {
    const response = await fetch("samples/digits.onnx");
    if (!response.ok) throw new Error(`the sample is missing: the server answers ${response.status}`);
    return response.blob();
  });
  if (blob) await openFiles([{ path: "digits.onnx", blob }]);
};
