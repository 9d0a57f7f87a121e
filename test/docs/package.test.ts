/** The package as others get it: its types in both ways of resolving them, its entries, and the scripts that import what was built. */

import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { laws } from "../support/laws.ts";
import { root } from "./support.ts";

/** What both entries offer, with the types that a user meets. */
const everywhere = `
import { analyse, prepare, type Analysis } from "secateur/graph";
import { compare, createRuntime, cut, evaluate, finetune, inspect, load, mask, plan, prune, score, train, useRuntime } from "secateur";
import type { Criterion, Dataset, Job, Model, Onnxruntime, PruneEvent, Scores } from "secateur";

declare const ort: Onnxruntime;
declare const data: Dataset;
useRuntime(createRuntime(ort, { name: "onnxruntime-web", threads: 1 }));
const model: Model = await load(new Uint8Array(8));
const { macs, groups: all } = await inspect(model, { shapes: { input: [1, 3, 32, 32] } });
const own = {
  name: "own",
  summary: "the sum of the gradients at the gate",
  kind: "data",
  needs: ["gates"],
  sample: ({ gates, samples, units }) => new Float64Array(units).fill(gates.length * samples),
} satisfies Criterion;
const scores: Scores = await score(model, { data, criterion: own });
const { removal } = await plan(model, { ratio: 0.3, scores, roundTo: "auto", keep: ["fc*"] });
const small: Model = (await cut(model, removal, { prove: false })).model;
const masked: Model = (await mask(model, removal)).model;
const job = prune(model, { data, budget: { macs: 0.5 }, signal: AbortSignal.timeout(1) });
for await (const event of job) if (event.kind === "removal") console.log(event.costs.macs / macs, all.length);
const outcome = await job;
const trained: Job<unknown, Model> = train(outcome.model, { data, onEvent: (event) => console.log(event.kind === "step" && event.loss) });
const tuned: Model = await finetune(await trained, { data, epochs: 1 });
const top1: number | undefined = (await evaluate(tuned, { data })).top1;
const drop: number | undefined = (await compare(small, masked, { data, latency: true })).data?.drop;
export const told: PruneEvent[] = [];
const analysis: Analysis = analyse(prepare(small));
console.log(top1, drop, analysis.groups, analysis.costs);
`;

/** What Node has besides. */
const inNode = `
import { load, openDataset, save, type Dataset } from "secateur";
import { nodeRuntime } from "secateur/node";
import { directRuntime, readModelFile } from "secateur/graph";

const digits: Dataset = await openDataset("mnist:data/mnist", { split: "train" });
await save("small.onnx", await load("model.onnx"));
await load(new URL("model.onnx", import.meta.url));
console.log(digits.size, nodeRuntime.name, directRuntime.name, (await readModelFile("model.onnx")).graph);
`;

const forms = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
} as const;

describe("types", laws, () => {
  const folder = mkdtempSync(join(tmpdir(), "secateur-types-"));
  beforeAll(() => {
    mkdirSync(join(folder, "node_modules"));
    for (const name of ["@types", "onnxruntime-common"])
      symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name), "junction");
    symlinkSync(root, join(folder, "node_modules/secateur"), "junction");
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What the compiler says of a source; nothing where it is right. */
  function complaints(source: string, form: keyof typeof forms, more: Readonly<Record<string, unknown>> = {}): string {
    const options = { target: "es2023", strict: true, noEmit: true, skipLibCheck: false, ...forms[form], ...more };
    writeFileSync(join(folder, "use.ts"), source);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["use.ts"] }));
    try {
      execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], {
        encoding: "utf8",
        cwd: root,
      });
      return "";
    } catch (error) {
      // The types of onnxruntime-common need a page's.
      const lines = (error as { stdout: string }).stdout.split("\n");
      return lines
        .filter((line) => !/(^|\/)node_modules\/onnxruntime-common\//.test(line))
        .join("\n")
        .trim();
    }
  }

  const node = { types: ["node"], lib: ["es2023", "esnext.disposable"] };
  const browser = { types: [], lib: ["es2023", "esnext.disposable", "dom", "dom.asynciterable"] };

  it("are those of Node for nodenext", () => {
    expect(
      complaints(
        everywhere + inNode.replace("load, openDataset, save, type Dataset", "openDataset, save"),
        "nodenext",
        node,
      ),
    ).toBe("");
  });

  it("are those of a browser for a bundler, without Node's", () => {
    expect(complaints(everywhere, "bundler", browser)).toBe("");
    expect(complaints(inNode, "bundler", browser)).toMatch(/has no exported member '?"?openDataset/);
  });

  it("are those of Node for a bundler that is told so", () => {
    expect(complaints(inNode, "bundler", { ...node, customConditions: ["node"] })).toBe("");
  });

  it.each(Object.keys(forms) as (keyof typeof forms)[])("refuse what is wrong (%s)", (form) => {
    const wrong = everywhere.replace("ratio: 0.3", 'ratio: "0.3"');
    expect(complaints(wrong, form, node)).toMatch(/use\.ts.*'?string'? is not assignable to type 'number/m);
  });
});

/** The files that a built file needs, and the packages. */
function reach(entry: string): { readonly files: Set<string>; readonly packages: Set<string> } {
  const [files, packages] = [new Set([join(root, "dist", entry)]), new Set<string>()];
  for (const file of files)
    for (const [, name] of readFileSync(file, "utf8").matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g))
      if (name!.startsWith(".")) files.add(join(file, "..", name!));
      else packages.add(name!);
  return { files, packages };
}

describe("entries", () => {
  const needsNode = /^node:|^(onnxruntime-node|sharp|tar|commander|piscina|bullmq|ioredis|s3mini)$/;

  it.each(["index", "graphs"])("for browsers need nothing of Node: %s", (entry) => {
    const { files, packages } = reach(`${entry}.js`);
    expect(files.size).toBeGreaterThan(100);
    expect([...packages].filter((name) => needsNode.test(name))).toEqual([]);
  });

  it("for Node need more", () => {
    expect([...reach("node.js").packages]).toContain("piscina");
    expect([...reach("graphs-node.js").packages]).toContain("onnxruntime-node");
  });

  it("for browsers work on the onnxruntime package that they are handed", () => {
    const code = `import * as ort from "onnxruntime-node";
      const { createRuntime, cut, encodeModel, load, newModel, plan, useRuntime } = await import("./dist/index.js");
      useRuntime(createRuntime(ort.default ?? ort));
      const model = await load(encodeModel(newModel("lenet5", { classes: 2, seed: 1 })));
      const { proof } = await cut(model, (await plan(model, { ratio: 0.5, roundTo: "auto" })).removal);
      console.log(proof.mismatch === undefined && proof.elements);`;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8", cwd: root });
    expect(Number(out)).toBeGreaterThan(0);
  });

  it("say what is missing where no runtime was named", () => {
    const code = `const { newModel, cut } = await import(${JSON.stringify(join(root, "dist/index.js"))});
      await cut(newModel("lenet5", { classes: 2, seed: 1 }), new Map()).catch(({ code, message }) => console.log(code, message));`;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
    expect(out).toMatch(/^bad-option there is no runtime yet/);
  });
});

describe("what npm packs", laws, () => {
  /** The source is where the repository is. */
  const elsewhere = /^([a-z]+:|#)|^(\.\.\/)?src\//;

  it("has what was built, and all that its pages link to and show", { timeout: 120_000 }, async () => {
    const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const { stdout } = await promisify(execFile)("npm", args, { cwd: root, shell: process.platform === "win32" });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const packed = files.map(({ path }) => path);
    expect(packed).toEqual(expect.arrayContaining(["dist/cli/main.js", "dist/node.d.ts", "README.md", "LICENSE"]));
    const pages = packed.filter((path) => path.endsWith(".md"));
    const missing = pages.flatMap((page) =>
      [...readFileSync(join(root, page), "utf8").matchAll(/\]\(([^)\s#]+)/g)]
        .map(([, link]) => link!)
        .filter((link) => !elsewhere.test(link))
        .filter((link) => {
          const target = posix.join(posix.dirname(page), link);
          return !packed.some((path) => path === target || path.startsWith(`${target}/`));
        })
        .map((link) => `${page}: ${link}`),
    );
    expect(missing).toEqual([]);
    expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/guide/cnn.md"]));
  });
});

describe("scripts", () => {
  const names = ["scripts", "experiments", "bench"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".mjs"))
      .map((file) => `${folder}/${file}`),
  );

  it("import what there is", async () => {
    let imported = 0;
    const missing: string[] = [];
    for (const name of names)
      for (const [, list, from] of readFileSync(join(root, name), "utf8").matchAll(
        /^import \{([^}]*)\} from "(?:\.\.\/)+(dist\/[^"]+)"/gm,
      )) {
        const module = (await import(join(root, from!))) as object;
        const wanted = list!.split(",").map((word) => word.trim().split(" as ")[0]!);
        imported += wanted.length;
        missing.push(...wanted.filter((word) => word && !(word in module)).map((word) => `${name}: ${word}`));
      }
    expect(missing).toEqual([]);
    expect(imported).toBeGreaterThan(80);
  });
});
