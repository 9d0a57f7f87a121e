/** The documentation does what it says: every program in it runs, and so do the commands of the guide. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as lib from "../../src/node.ts";
import {
  blocksOf,
  examplesOf,
  fileOf,
  isCommands,
  isProgram,
  openWorkspace,
  root,
  smallNet,
  type Workspace,
} from "./support.ts";
import type { Model } from "../../src/graph/graph.ts";
import { laws } from "../support/laws.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const jobs = readdirSync(join(root, "src/jobs")).map((file) => `src/jobs/${file}`);

/** Where model.onnx is a network for the digits of `data/mnist`. */
const openDigits = async (): Promise<Workspace> => openWorkspace(await smallNet("lenet5", 10));

/** A network for digits with BatchNormalization. */
const withStatistics = (): Model => lib.newModel("resnet20", { classes: 10, input: [1, 28, 28], seed: 1 });

describe("examples in comments", laws, () => {
  let workspace: Workspace;
  beforeAll(async () => (workspace = await openDigits()));
  afterAll(() => workspace.remove());

  it.each(jobs.flatMap((file) => [...examplesOf(read(file))].map(([name, code]) => [name, file, code])))(
    "%s of %s",
    async (name, _file, code) => {
      if (name === "recalibrate") workspace.write("small.onnx", lib.encodeModel(withStatistics()));
      await workspace.runProgram(code!);
    },
  );

  it("stand above every public function", () => {
    const lacking = jobs.flatMap((file) => {
      const source = read(file);
      const functions = [...source.matchAll(/^export (?:async )?(?:function|const) (\w+)/gm)].map(([, name]) => name!);
      const examples = examplesOf(source);
      return functions.filter((name) => name in lib && !examples.has(name)).map((name) => `${name} of ${file}`);
    });
    expect(lacking).toEqual([]);
  });

  it("are found", () => {
    const { size } = examplesOf(read("src/jobs/cut.ts"));
    expect(size).toBe(2);
  });

  it("would be seen to fail", async () => {
    const fails = (code: string) => expect(workspace.runProgram(code)).rejects;
    await fails('import { load } from "secateur";\nawait load("nothing.onnx");').toThrow(/nothing\.onnx/);
    await fails('import { prunes } from "secateur";').toThrow(/prunes/);
    await expect(workspace.runShell("npx secateur inspect nothing.onnx\necho on")).rejects.toThrow(/nothing\.onnx/);
    expect(examplesOf("/**\n * A.\n *\n * @example\n * b();\n *\n * @throws c\n */\nexport function d() {}")).toEqual(
      new Map([["d", "b();\n"]]),
    );
  });
});

/** What model.onnx is on a page; where nothing is said, a network for digits. */
const models: Readonly<Record<string, () => Promise<Workspace>>> = {
  "docs/guide/cnn.md": async () => openWorkspace(await smallNet("lenet3", 2)),
  "docs/guide/detector.md": () => openWorkspace(net("boxes")),
  "docs/guide/transformer.md": () => openWorkspace(net("transformer")),
  "docs/guide/recurrent.md": () => openWorkspace(net("lstm")),
  "docs/guide/your-own-loss.md": async () => {
    const workspace = await openDigits();
    for (const file of ["detector.onnx", "segmenter.onnx", "detector-loss.onnx", "segmenter-loss.onnx"])
      workspace.write(file, readFileSync(join(root, "test/fixtures/losses", file)));
    return workspace;
  },
  "docs/guide/when-not.md": () => openWorkspace(withStatistics()),
};
const net = (name: string): string => join(root, `test/fixtures/nets/${name}.onnx`);

const pagesIn = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);

describe("pages", () => {
  const pages = ["README.md", ...pagesIn("docs"), ...pagesIn("docs/guide")].filter(
    (page) => page.startsWith("docs/guide/") || blocksOf(read(page)).some(isProgram),
  );

  it("are found", () => {
    expect(pages).toEqual(
      expect.arrayContaining(["README.md", "docs/data.md", "docs/criteria.md", ...Object.keys(models)]),
    );
  });

  const run = async (page: string): Promise<void> => {
    const workspace = await (models[page]?.() ?? openDigits());
    try {
      for (const block of blocksOf(read(page))) {
        const file = fileOf(block);
        if (file) workspace.write(file, block.code);
        else if (isProgram(block)) await workspace.runProgram(block.code);
        else if (isCommands(block) && page.startsWith("docs/guide/")) await workspace.runShell(block.code);
      }
    } finally {
      workspace.remove();
    }
  };
  const quick = (page: string): boolean => page.startsWith("docs/") && !page.startsWith("docs/guide/");
  it.each(pages.filter(quick))("%s", run);
  it.each(pages.filter((page) => !quick(page)))("%s", { ...laws, timeout: 120_000 }, run);
});
