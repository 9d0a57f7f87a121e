/** Code out of the documentation, and folders in which it runs as a reader would run it. */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { zipSync } from "fflate";
import type { Model } from "../../src/graph/graph.ts";
import { cut } from "../../src/jobs/cut.ts";
import { plan } from "../../src/jobs/plan.ts";
import { writeModelFile } from "../../src/onnx/files-node.ts";
import { newModel, type ZooName } from "../../src/zoo/zoo.ts";
import { writeDigits, type Workshop } from "../cli/support.ts";
import { random } from "../support/graphs.ts";
import { npy, pattern, writeImage } from "../support/images.ts";

export const root = join(import.meta.dirname, "../..");

export interface Block {
  readonly language: string;
  readonly code: string;
}

/** The blocks of code of a page, in their order. */
export const blocksOf = (markdown: string): Block[] =>
  [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, code]) => ({
    language: language!,
    code: code!,
  }));

/** Whether a block is a program for readers to run. */
export const isProgram = ({ language, code }: Block): boolean =>
  /^[jt]s$/.test(language) && /from "secateur(\/node|\/graph)?"/.test(code);

/** Whether a block is commands to run. Those in blocks of `bash` are timed, and end as the machine at hand will have it. */
export const isCommands = ({ language }: Block): boolean => language === "sh";

/** The file that a block says it is, by a comment in its first line. */
export const fileOf = ({ code }: Block): string | undefined => /^\/\/ ([\w-]+\.mjs)\b/.exec(code)?.[1];

/** The examples in the comments of a source, by what they stand above. */
export function examplesOf(source: string): Map<string, string> {
  const comments = source.matchAll(/^\/\*\*\n((?: \*.*\n)+?) \*\/\nexport (?:async )?(?:function|const) (\w+)/gm);
  return new Map(
    [...comments].flatMap(([, comment, name]) => {
      const lines = comment!.split("\n").map((line) => line.replace(/^ \* ?/, ""));
      const start = lines.indexOf("@example");
      if (start < 0) return [];
      const end = lines.findIndex((line, i) => i > start && line.startsWith("@"));
      return [[name!, lines.slice(start + 1, end < 0 ? undefined : end).join("\n")]];
    }),
  );
}

export interface Workspace {
  readonly folder: string;
  /** Runs a program; fails with what it said where it does. */
  runProgram(code: string): Promise<string>;
  /** Runs commands as a shell does, the first that fails ends them. */
  runShell(commands: string): Promise<string>;
  write(name: string, content: string | Uint8Array): void;
  remove(): void;
}

const run = promisify(execFile);

/** Responses for paths, as a page has them of its server. */
const server = `import { readFile } from "node:fs/promises";
const { fetch } = globalThis;
globalThis.fetch = async (url, options) =>
  typeof url === "string" && !url.includes(":") ? new Response(await readFile(url)) : fetch(url, options);
`;

/**
 * A folder with the package installed, a model, and the data that the documentation speaks of: `data/mnist`,
 * `digits.npz`, and `pets` with pictures of two classes.
 *
 * @param model what model.onnx is: a network, or the path of a file
 */
export async function openWorkspace(model: Model | string): Promise<Workspace> {
  const folder = mkdtempSync(join(tmpdir(), "secateur-docs-"));
  const write = (name: string, content: string | Uint8Array): string => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/secateur"), "junction");
  // Its place is taken by the package for Node, whose interface is the same.
  write("node_modules/onnxruntime-web/package.json", '{ "name": "onnxruntime-web", "main": "index.cjs" }');
  const ort = JSON.stringify(join(root, "node_modules/onnxruntime-node"));
  write(
    "node_modules/onnxruntime-web/index.cjs",
    `exports.InferenceSession = require(${ort}).InferenceSession;\nexports.Tensor = require(${ort}).Tensor;\n`,
  );
  const path = join(folder, "model.onnx");
  if (typeof model === "string") writeFileSync(path, readFileSync(model));
  else await writeModelFile(path, model);
  writeDigits({ write: (name, content) => write(`data/mnist/${name}`, content) } as Workshop);
  await writePets(folder);
  write(
    "digits.npz",
    zipSync({ "x_test.npy": npy("|u1", [4, 28, 28], pattern(4 * 784)), "y_test.npy": npy("|u1", [4], [0, 1, 2, 3]) }),
  );
  write("node_modules/serve.mjs", server);
  const main = join(root, "dist/cli/main.js");
  let programs = 0;
  const output = async (file: string, args: readonly string[]): Promise<string> => {
    const { stdout } = await run(file, args, { cwd: folder, env: { ...process.env, NO_COLOR: "1" } });
    return stdout;
  };
  return {
    folder,
    write,
    runProgram: (code) =>
      output(process.execPath, ["--import", "./node_modules/serve.mjs", write(`program-${++programs}.mjs`, code)]),
    runShell: (commands) =>
      output("bash", ["-ec", `npx() { shift; "${process.execPath}" "${main}" "$@"; }\n${commands}`]),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Reddish cats and bluish dogs of 40 x 40 pixels. */
async function writePets(folder: string): Promise<void> {
  const next = random(2);
  for (const [part, count] of [
    ["train", 24],
    ["test", 8],
  ] as const)
    for (const [pet, red, blue] of [
      ["cat", 200, 60],
      ["dog", 60, 200],
    ] as const)
      for (let i = 0; i < count; i++) {
        const pixels = Uint8Array.from({ length: 4800 }, (_, p) => [red, 120, blue][p % 3]! + next() * 50);
        await writeImage(join(folder, `pets/${part}/${pet}/${i}.png`), pixels, [40, 40]);
      }
}

/** A network of the zoo with a quarter of its neurons, so that learning takes no time. */
export async function smallNet(name: ZooName, classes: number): Promise<Model> {
  const model = newModel(name, { classes, seed: 1 });
  const { removal } = await plan(model, { ratio: 0.75 });
  return (await cut(model, removal, { prove: false })).model;
}
