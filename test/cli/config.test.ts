/** Configurations: where they come from, what wins over what, what is refused, and their schema. */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { openWorkshop, secateur, type Ran } from "./support.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;

beforeAll(async () => {
  expect((await secateur(["new", "lenet5", "--seed", "1", "-o", at("net.onnx")])).code).toBe(0);
});
afterAll(() => workshop.remove());

/** Runs a command in a folder with these files. */
async function inFolder(files: Readonly<Record<string, unknown>>, ...argv: string[]): Promise<Ran> {
  const own = openWorkshop();
  for (const [name, content] of Object.entries(files))
    own.write(name, typeof content === "string" ? content : JSON.stringify(content));
  vi.spyOn(process, "cwd").mockReturnValue(own.folder);
  try {
    return await secateur(argv);
  } finally {
    vi.restoreAllMocks();
    own.remove();
  }
}
afterEach(() => vi.restoreAllMocks());

const json = "secateur.config.json";
const planned = (name: string): number =>
  Object.values<number[]>(JSON.parse(readFileSync(at(name), "utf8")).remove).flat().length;

describe("a configuration", () => {
  it("gives a command its options, mandatory ones too", async () => {
    const files = { [json]: { $schema: "x", plan: { ratio: 0.55, output: at("mandatory.json") } } };
    const { code, err } = await inFolder(files, "plan", at("net.onnx"));
    expect([code, err]).toEqual([0, expect.stringContaining("123 of 226 units")]);
    expect(planned("mandatory.json")).toBe(123);
  });

  it("loses to the command line, and its section of all to that of the command", async () => {
    const files = { [json]: { all: { seed: 3, threads: 2 }, plan: { seed: 5, ratio: 0.2 } } };
    const { out } = await inFolder(files, "config", "plan", "--ratio", "0.3");
    expect(JSON.parse(out)).toEqual({
      file: json,
      options: {
        ratio: { value: { "": 0.3 }, source: "cli" },
        device: { value: "cpu", source: "default" },
        criterion: { value: "magnitude", source: "default" },
        scope: { value: "local", source: "default" },
        normalise: { value: "none", source: "default" },
        seed: { value: 5, source: "config" },
      },
    });
    const other = JSON.parse((await inFolder(files, "config", "eval")).out);
    expect(other.options).toMatchObject({
      seed: { value: 3, source: "config" },
      threads: { value: 2, source: "config" },
    });
  });

  it("is a module too, a file that is named, or nothing where it is not wanted", async () => {
    const module = { "secateur.config.mjs": "export default { plan: { ratio: 1 / 4 } };" };
    const ratio = async (files: Readonly<Record<string, unknown>>, ...argv: string[]) =>
      JSON.parse((await inFolder(files, "config", "plan", ...argv)).out).options.ratio?.value[""];
    expect(await ratio(module)).toBe(0.25);
    expect(await ratio({ "other.json": { plan: { ratio: 0.1 } } }, "--config", "other.json")).toBe(0.1);
    expect(await ratio({ "other.json": { plan: { ratio: 0.1 } } })).toBeUndefined();
    expect(await ratio(module, "--no-config")).toBeUndefined();
  });

  it("reads values as the command line does: lists, repetitions, switches", async () => {
    const files = {
      [json]: {
        score: { mean: [0.5, 0.25], shape: ["input=1x1x28x28", "other=2x3"], json: true },
        cut: { prove: false, json: true },
      },
    };
    const options = async (...argv: string[]) => JSON.parse((await inFolder(files, "config", ...argv)).out).options;
    expect(await options("score")).toMatchObject({
      mean: { value: [0.5, 0.25] },
      shape: { value: { input: [1, 1, 28, 28], other: [2, 3] } },
      json: { value: true },
    });
    expect(await options("cut")).toMatchObject({ prove: { value: false }, json: { value: true } });
    // What a configuration switches on, the command line can switch off.
    expect(await options("cut", "--no-json")).toMatchObject({ json: { value: false, source: "cli" } });
  });

  it("may say losses as the library does, and the command line puts others in their place", async () => {
    const losses = { scores: "bce", boxes: { kind: "l1", weight: 0.5 } };
    const lossOf = async (loss: unknown, ...argv: string[]) => {
      const { out, err } = await inFolder({ [json]: { all: { loss } } }, "config", "eval", ...argv);
      return err === "" ? JSON.parse(out).options.loss : err;
    };
    const asList = [
      { kind: "bce", output: "scores" },
      { kind: "l1", output: "boxes", weight: 0.5 },
    ];
    expect(await lossOf(losses)).toEqual({ value: losses, source: "config" });
    expect(await lossOf(asList)).toEqual({ value: asList, source: "config" });
    expect(await lossOf(["scores=bce", "boxes=l1:0.5"])).toEqual({ value: asList, source: "config" });
    expect(await lossOf(losses, "--loss", "mse")).toEqual({ value: "mse", source: "cli" });
    expect(await lossOf("mse", "--loss", "scores=bce", "--loss", "boxes=l1:0.5")).toEqual({
      value: asList,
      source: "cli",
    });
    expect(await lossOf({ scores: "bcee" })).toContain(
      'all.loss is {"scores":"bcee"}. Loss.scores is "bcee", and there is no loss of that name (did you mean bce?)',
    );
    expect(await lossOf("bcee")).toContain('all.loss is "bcee". The loss is "bcee", and there is no loss of that name');
  });

  it("reaches commands of commands", async () => {
    const files = { [json]: { data: { json: "yes" } } };
    const { code, err } = await inFolder(files, "data", "mnist", at("nowhere"));
    expect([code, err]).toEqual([2, `secateur: ${json}: data.json is "yes". It must be true or false.\n`]);
  });

  it("does not stand in the way of help", async () => {
    expect((await inFolder({ [json]: "{" }, "plan", "--help")).out).toMatch(/^Usage: secateur plan /);
  });
});

describe("a configuration that is wrong is refused in one line:", () => {
  it.each([
    ["a command", { [json]: { prun: {} } }, `${json}: there is no command "prun" (Did you mean "prune"?)`],
    ["an option", { [json]: { prune: { maks: 1 } } }, `${json}: "prune" has no option "maks" (Did you mean "macs"?)`],
    [
      "an option of all",
      { [json]: { all: { thread: 1 } } },
      `${json}: no command has option "thread" (Did you mean "threads"?)`,
    ],
    ["nothing near", { [json]: { plan: { zzzzzzz: 1 } } }, `${json}: "plan" has no option "zzzzzzz"`],
    [
      "a flag's form",
      { [json]: { plan: { "round-to": 1 } } },
      `${json}: "plan" has no option "round-to" (Did you mean "roundTo"?)`,
    ],
    [
      "a number",
      { [json]: { plan: { ratio: 2 } } },
      `${json}: plan.ratio is 2. It must be a number from 0 to 1, or PATTERN=SHARE for some groups.`,
    ],
    ["a value of all", { [json]: { all: { seed: -1 } } }, `${json}: all.seed is -1. It must be a whole number from 0.`],
    [
      "a choice",
      { [json]: { plan: { scope: "some" } } },
      `${json}: plan.scope is "some". Allowed choices are local, global, isomorphic.`,
    ],
    [
      "a form",
      { [json]: { plan: { ratio: null } } },
      `${json}: plan.ratio is null. It must be a text, a number, or a list of these.`,
    ],
    ["a section", { [json]: { plan: 3 } }, `${json}: "plan" must be an object of options`],
    ["a list", { [json]: [] }, `${json}: it must be an object, as {"prune": {"macs": 0.5}}`],
    [
      "two files",
      { [json]: {}, "secateur.config.js": "" },
      `there are ${json} and secateur.config.js: keep one, or say which by --config`,
    ],
    [
      "no export",
      { "secateur.config.mjs": "" },
      "secateur.config.mjs has no default export: export default { prune: { macs: 0.5 } }",
    ],
  ])("%s", async (_, files, message) => {
    const { code, out, err } = await inFolder(files, "plan", at("net.onnx"), "-o", at("x.json"));
    expect([code, out, err]).toEqual([2, "", `secateur: ${message}\n`]);
  });

  it.each([
    ["JSON", { [json]: "{" }, /^secateur: secateur\.config\.json is not JSON: .*\n$/],
    [
      "a module that throws",
      { "secateur.config.mjs": "throw new Error('no')" },
      /secateur\.config\.mjs: it cannot be imported: no\n$/,
    ],
  ])("%s", async (_, files, message) => {
    const { code, err } = await inFolder(files, "plan", at("net.onnx"), "-o", at("x.json"));
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  it("a file that is not there", async () => {
    const { code, err } = await inFolder({}, "--config", "none.json", "criteria");
    expect([code, err]).toEqual([2, "secateur: none.json: no such file or folder\n"]);
  });

  it("an option that is still missing", async () => {
    const { err } = await inFolder({ [json]: { plan: { ratio: 0.5 } } }, "plan", at("net.onnx"));
    expect(err).toBe("secateur: required option '-o, --output <file>' not specified\n");
  });
});

describe("secateur.config.ts", () => {
  it("is taken by a Node that imports TypeScript, and else refused with what to do", async () => {
    write("secateur.config.ts", "export default { plan: { scope: 'global' as string } };");
    const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
    const { out, err } = await new Promise<{ out: string; err: string }>((done) =>
      execFile(process.execPath, [main, "config", "plan"], { cwd: folder }, (_, out, err) => done({ out, err })),
    );
    if ("typescript" in process.features && process.features.typescript)
      expect(JSON.parse(out).options.scope).toEqual({ value: "global", source: "config" });
    else
      expect(err).toMatch(
        /^secateur: secateur\.config\.ts: Node [\d.]+ does not import \.ts; TypeScript takes Node 22\.18, or /,
      );
  });
});

describe("secateur config", () => {
  it("asks for a command that it knows", async () => {
    const other = await inFolder({}, "config", "completion");
    expect([other.code, other.err]).toEqual([2, expect.stringMatching(/'completion' is invalid .* inspect, /)]);
    const none = await inFolder({}, "config");
    expect([none.code, none.err]).toEqual([2, expect.stringMatching(/name the command whose options .* --schema$/m)]);
  });

  it("refuses a flag that the command has not", async () => {
    const { code, err } = await inFolder({}, "config", "plan", "--rate", "1");
    expect([code, err]).toEqual([2, 'secateur: "plan" has no option --rate\n']);
  });
});

describe("the schema", () => {
  it("accepts what is right and refuses what is not", async () => {
    const { out } = await inFolder({}, "config", "--schema");
    const ajv = new Ajv({ allowUnionTypes: true });
    const valid = ajv.compile(JSON.parse(out));
    const right = [
      {},
      { $schema: "./secateur.schema.json", all: { threads: 2, json: true } },
      {
        prune: {
          macs: 0.5,
          criterion: "taylor-fo",
          data: "cifar10:data",
          mean: [0.5, 0.4, 0.3],
          flip: true,
          output: "x.onnx",
        },
      },
      {
        plan: { roundTo: "auto", ratio: 0.25 },
        score: { json: "scores.json", shape: ["a=1x2"] },
        cut: { prove: false },
      },
      { data: { json: true } },
    ];
    for (const one of right) expect(valid(one), JSON.stringify([one, valid.errors])).toBe(true);
    const wrong = [
      { prunee: {} },
      { prune: { mac: 1 } },
      { prune: { macs: "half" } },
      { prune: { macs: 0 } },
      { prune: { criterion: "best" } },
      { plan: { ratio: 1.5 } },
      { plan: { roundTo: 1.5 } },
      { all: { threads: 0.5 } },
      { prune: { flip: "yes" } },
      { all: { help: true } },
      { config: { schema: true } },
      [],
    ];
    for (const one of wrong) expect(valid(one), JSON.stringify(one)).toBe(false);
  });

  it("is the same on every machine, and tells defaults and what options are", async () => {
    const { properties } = JSON.parse((await inFolder({}, "config", "--schema")).out);
    expect(properties.eval.properties.threads).toEqual({
      description: "threads of the runtime",
      type: "integer",
      minimum: 1,
      maximum: 256,
    });
    expect(properties.eval.properties.batchSize).toMatchObject({ default: 200 });
    expect(properties.eval.description).toMatch(/^measure loss, accuracy/);
    const silent = Object.keys(properties).flatMap((command) =>
      Object.entries(properties[command].properties ?? {})
        .filter(([, option]) => command !== "all" && !(option as { description?: string }).description)
        .map(([option]) => `${command}.${option}`),
    );
    expect(silent).toEqual([]);
  });
});
