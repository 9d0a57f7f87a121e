/** The file of a configuration: where it is looked for, and what it exports. */

import { readdir, readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fail } from "../../graph/error.ts";
import { describeIo } from "../../onnx/atomic-node.ts";

const names = ["secateur.config.json", "secateur.config.mjs", "secateur.config.js", "secateur.config.ts"];

export interface Configuration {
  /** As messages name it. */
  readonly file: string;
  readonly sections: Readonly<Record<string, unknown>>;
}

/**
 * Reads a configuration.
 *
 * @param asked a file; `undefined` looks for one in the folder, `false` wants none
 */
export async function readConfiguration(
  asked: string | false | undefined,
  folder: string,
): Promise<Configuration | undefined> {
  if (asked === false) return undefined;
  const file = asked ?? (await findIn(folder));
  if (file === undefined) return undefined;
  const path = resolve(folder, file);
  const found = extname(file) === ".json" ? await readJson(file, path) : await importDefault(file, path);
  if (!isRecord(found)) fail("bad-option", `${file}: it must be an object, as {"prune": {"macs": 0.5}}`);
  return { file, sections: found };
}

async function findIn(folder: string): Promise<string | undefined> {
  const there = new Set(await readdir(folder).catch(() => []));
  const [first, second] = names.filter((name) => there.has(name));
  if (second !== undefined) fail("bad-option", `there are ${first} and ${second}: keep one, or say which by --config`);
  return first;
}

async function readJson(file: string, path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    fail("io", `${file}: ${describeIo(error)}`, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    fail("bad-option", `${file} is not JSON: ${oneLine(error)}`, error);
  }
}

async function importDefault(file: string, path: string): Promise<unknown> {
  let exports: { readonly default?: unknown };
  try {
    exports = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "ERR_UNKNOWN_FILE_EXTENSION")
      fail(
        "bad-option",
        `${file}: Node ${process.versions.node} does not import ${extname(file) || "such files"}; TypeScript ` +
          "takes Node 22.18, or write it as secateur.config.mjs",
        error,
      );
    fail("bad-option", `${file}: it cannot be imported: ${oneLine(error)}`, error);
  }
  return (
    exports.default ?? fail("bad-option", `${file} has no default export: export default { prune: { macs: 0.5 } }`)
  );
}

const oneLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ");

export const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && !Array.isArray(x);
