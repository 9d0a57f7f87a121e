/** Every example is right in the eyes of a strict compiler, in both ways of resolving the package. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { laws } from "../support/laws.ts";
import { blocksOf, examplesOf, fileOf, root } from "./support.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const inFolder = (folder: string, end: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(end))
    .map((name) => `${folder}/${name}`);

/** Programs by the names of their files: what is marked as js is JavaScript, with its types in comments. */
function programs(): Map<string, string> {
  const found = new Map<string, string>();
  for (const page of ["README.md", ...inFolder("docs", ".md"), ...inFolder("docs/guide", ".md")])
    for (const [i, block] of blocksOf(read(page)).entries()) {
      if (!/^[jt]s$/.test(block.language)) continue;
      const own = `${page.replaceAll(/\W/g, "-")}-${i}`;
      const file = fileOf(block);
      found.set(file && page.startsWith("docs/") ? `${own}/${file}` : `${own}/program.m${block.language}`, block.code);
    }
  for (const source of [...inFolder("src/jobs", ".ts"), ...inFolder("src/data", ".ts")])
    for (const [name, code] of examplesOf(read(source)))
      found.set(`${source.replaceAll(/\W/g, "-")}-${name}.mts`, code);
  return found;
}

const forms = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler", customConditions: ["node"] },
} as const;

describe("examples", laws, () => {
  const folder = mkdtempSync(join(tmpdir(), "secateur-examples-"));
  const all = programs();
  const write = (name: string, text: string): void => {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  beforeAll(() => {
    mkdirSync(join(folder, "node_modules/onnxruntime-web"), { recursive: true });
    for (const name of ["@types", "onnxruntime-common"])
      symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name), "junction");
    symlinkSync(root, join(folder, "node_modules/secateur"), "junction");
    // What the package for browsers exports is what all of onnxruntime's have in common.
    write("node_modules/onnxruntime-web/package.json", '{ "name": "onnxruntime-web", "types": "index.d.ts" }');
    write("node_modules/onnxruntime-web/index.d.ts", 'export * from "onnxruntime-common";\n');
    write("package.json", '{ "type": "module" }');
    for (const [name, code] of all) write(name, code);
    const metric = [...all].find(([name]) => name.endsWith("/f1.mjs"))!;
    for (const [name, code] of all) if (code.includes("./f1.mjs")) write(join(name, "../f1.mjs"), metric[1]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What the compiler says of them. */
  function complaints(form: keyof typeof forms, more: readonly string[] = []): string {
    const compilerOptions = {
      target: "es2023",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowJs: true,
      checkJs: true,
      types: ["node"],
      lib: ["es2023", "esnext.disposable", "dom", "dom.asynciterable"],
      ...forms[form],
    };
    write("tsconfig.json", JSON.stringify({ compilerOptions, files: [...all.keys(), ...more] }));
    try {
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      return execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8", cwd: folder });
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  }

  it("are found", () => expect(all.size).toBeGreaterThan(30));

  it.each(Object.keys(forms) as (keyof typeof forms)[])("are right (%s)", { timeout: 120_000 }, (form) =>
    expect(complaints(form)).toBe(""),
  );

  it("would be seen to be wrong", { timeout: 120_000 }, () => {
    write(
      "wrong.mjs",
      'import { load, prune } from "secateur";\nprune(await load("a.onnx"), { budget: { mac: 1 } });\n',
    );
    expect(complaints("nodenext", ["wrong.mjs"])).toMatch(/wrong\.mjs.*'?mac'? does not exist/);
  });
});
