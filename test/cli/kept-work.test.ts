/** Small things that would cost people their work: files that are written over, plans of nothing, runs that are lost where something has moved. */

import { execFile, spawn } from "node:child_process";
import { linkSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { laws } from "../support/laws.ts";
import { digitsIn, moduleText, openWorkshop, secateur, writeDigits } from "./support.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;
const main = join(import.meta.dirname, "../../dist/cli/main.js");
const words = (line: string): string[] => line.split(" ");
const read = (name: string) => readFileSync(at(name));

/** Runs a command of files in the workshop, and expects it to go well. */
const succeed = async (...argv: string[]) => {
  const ran = await secateur(argv);
  if (ran.code !== 0) throw new Error(ran.err);
  return ran;
};
/** Runs one that is to be refused, and gives what it says. */
const refused = async (...argv: string[]): Promise<string> => {
  const { code, out, err } = await secateur(argv);
  expect([code, out]).toEqual([2, ""]);
  return err;
};

beforeAll(async () => {
  writeDigits(workshop);
  write("fine.mjs", moduleText());
  await succeed("new", "lenet5", "--seed", "1", "-o", at("net.onnx"));
  await succeed("plan", at("net.onnx"), "--ratio", "0.5", "-o", at("plan.json"));
  linkSync(at("net.onnx"), at("same.onnx"));
});
afterAll(() => workshop.remove());

describe("a file that is read", () => {
  const data = ["--data", `mnist:${folder}`];
  it.each([
    ["plan", ["--ratio", "0.5"]],
    ["cut", ["--plan", at("plan.json")]],
    ["mask", ["--plan", at("plan.json")]],
    ["grad", []],
    ["train", data],
    ["finetune", data],
    ["prune", [...data, "--macs", "0.5"]],
  ])("is not written over by %s", async (command, more) => {
    const before = read("net.onnx");
    for (const output of ["net.onnx", "same.onnx"]) {
      const err = await refused(command, at("net.onnx"), ...more, "-o", at(output));
      expect(err).toContain(`${at(output)} is read, and would be written over: give another file by -o, or --force`);
    }
    expect(read("net.onnx").equals(before)).toBe(true);
  });

  it("is not written over by score, nor a plan by cut", async () => {
    expect(await refused("score", at("net.onnx"), "--criterion", "magnitude", "--json", at("net.onnx"))).toContain(
      "is read",
    );
    expect(await refused("cut", at("net.onnx"), "--plan", at("plan.json"), "-o", at("plan.json"))).toContain("is read");
  });

  it("is written over where that is asked for", async () => {
    write("mine.onnx", read("net.onnx"));
    await succeed("cut", at("mine.onnx"), "--plan", at("plan.json"), "--force", "-o", at("mine.onnx"));
    expect(read("mine.onnx").length).toBeLessThan(read("net.onnx").length / 2);
  });
});

describe("plan --scores", () => {
  const score = (criterion: string, file: string, model = "net.onnx") =>
    succeed(
      "score",
      at(model),
      "--criterion",
      criterion,
      "--data",
      `module:${at("fine.mjs")}`,
      ...words("--batches 2 --batch-size 8 --json"),
      at(file),
    );

  it("takes what score has written", async () => {
    await score("magnitude", "magnitude.json");
    const planned = (...more: string[]) => succeed("plan", at("net.onnx"), "--ratio", "0.4", ...more);
    await planned("--scores", at("magnitude.json"), "-o", at("by-scores.json"));
    await planned("--criterion", "magnitude", "-o", at("by-criterion.json"));
    expect(read("by-scores.json").equals(read("by-criterion.json"))).toBe(true);
    await score("taylor-fo", "taylor.json");
    await planned("--scores", at("taylor.json"), "--scope", "global", "-o", at("by-taylor.json"));
    const { groups } = JSON.parse(read("taylor.json").toString()) as { groups: Record<string, number[]> };
    const { remove } = JSON.parse(read("by-taylor.json").toString()) as { remove: Record<string, number[]> };
    const removed = Object.entries(remove).flatMap(([name, units]) => units.map((unit) => groups[name]![unit]!));
    const left = Object.entries(groups).flatMap(([name, list]) => list.filter((_, i) => !remove[name]?.includes(i)));
    expect(removed.length).toBeGreaterThan(50);
    // One unit of each group stays, however little it matters.
    expect(Math.max(...removed)).toBeLessThanOrEqual(left.toSorted((a, b) => a - b)[Object.keys(groups).length]!);
  });

  it.each([
    [
      "another model's",
      '{"groups": {"conv1.weight": [1, 2]}}',
      'the scores have 2 units of group "conv1.weight", which has 6: score this model',
    ],
    ["those of fewer groups", '{"groups": {}}', 'the scores have no group "'],
    [
      "numbers that are none",
      '{"groups": {"conv1.weight": [1, null]}}',
      'unit 1 of group "conv1.weight" of the scores is null',
    ],
    ["a plan", '{"remove": {}}', "the scores must be"],
    ["a table", "group units\n", "the scores are not JSON, as secateur score --json writes them"],
  ])("refuses %s", async (_what, text, message) => {
    const err = await refused(
      "plan",
      at("net.onnx"),
      "--ratio",
      "0.5",
      "--scores",
      write("other.json", text),
      "-o",
      at("p.json"),
    );
    expect(err).toContain(message);
  });

  it("refuses a group that the model has not, and a criterion besides", async () => {
    const { groups } = JSON.parse(read("magnitude.json").toString()) as { groups: Record<string, number[]> };
    write("more.json", JSON.stringify({ groups: { ...groups, other: [1] } }));
    const plan = ["plan", at("net.onnx"), "--ratio", "0.5", "-o", at("p.json")];
    expect(await refused(...plan, "--scores", at("more.json"))).toContain(
      'the scores have a group "other", which the model has not',
    );
    const both = await refused(...plan, "--scores", at("magnitude.json"), "--criterion", "random");
    expect(both).toContain("cannot be used with option '--scores <file>'");
  });
});

describe("a plan of nothing", () => {
  it.each([
    [
      "--ratio 0.001",
      "a share of 0.001 is less than one unit of every group, the largest of which has 120; raise --ratio, or take it of the whole net by --scope global",
    ],
    ["--ratio 0.001 --scope global", "a share of 0.001 of 226 units is less than one; raise --ratio"],
    ["--ratio 0.5 --min-units 200", "every group has to keep all its units; lower --min-units or take back a --keep"],
    ["--ratio 0.5 --keep *", "every group has to keep all its units"],
    ["--ratio 0.5 --round-to 256", "what would go is less than the 256 units that --round-to takes at a time"],
  ])("is refused: %s", async (more, why) => {
    expect(await refused("plan", at("net.onnx"), ...words(more), "-o", at("none.json"))).toContain(
      `the plan removes nothing: ${why}`,
    );
  });
});

describe("--debug", () => {
  it("shows where an error came from, and nothing else does", async () => {
    const argv = ["inspect", at("nothing.onnx")];
    const [short, long] = [await refused(...argv), await refused(...argv, "--debug")];
    expect(short).toMatch(/^secateur: .*nothing\.onnx.*\n$/);
    expect(long.startsWith(short)).toBe(true);
    expect(long).toMatch(/\n +at .*\.ts/);
    expect(long).toContain("caused by");
  });
});

describe("what a file says of itself", () => {
  it.each(["cut", "mask", "prune", "finetune"])("is written again by %s", async (command) => {
    const model = loadModel(new Uint8Array(read("net.onnx")));
    const nodes = model.graph.nodes.map((node) => ({
      ...node,
      doc: `of ${node.name}`,
      metadata: { place: node.name },
    }));
    const told = {
      metadata: { author: "someone", classes: "ten" },
      doc: "digits",
      producerName: "by hand",
      producerVersion: "3",
      domain: "org.example",
      modelVersion: 7,
    };
    write("told.onnx", encodeModel({ ...model, ...told, graph: { ...model.graph, nodes, doc: "a graph" } }));
    const more =
      command === "prune" || command === "finetune"
        ? [...digitsIn(folder), ...words(command === "prune" ? "--units 0.9 --every 1 --epochs 0" : "--epochs 1")]
        : ["--plan", at("plan.json")];
    await succeed(command, at("told.onnx"), ...more, "-o", at(`told-${command}.onnx`));
    const written = loadModel(new Uint8Array(read(`told-${command}.onnx`)));
    expect(written).toMatchObject(told);
    expect(written.graph.doc).toBe("a graph");
    const byName = new Map(written.graph.nodes.map((node) => [node.name, node]));
    for (const { name, doc, metadata } of nodes) expect(byName.get(name)).toMatchObject({ doc, metadata });
  });
});

describe("what is left", () => {
  it("is told for every group, in the numbering of the start", async () => {
    const pruning =
      "--macs 0.4 --every 1 --units-per-step 30 --epochs 0 --prune-learning-rate 1e-30 --weight-decay 0 --min-units 2";
    await succeed("prune", at("net.onnx"), ...digitsIn(folder), ...words(pruning), "-o", at("left.onnx"));
    const { kept } = JSON.parse(read("left.run/kept.json").toString()) as { kept: Record<string, number[]> };
    const [start, end] = ["net.onnx", "left.onnx"].map(
      (name) => loadModel(new Uint8Array(read(name))).graph.initializers,
    );
    expect(Object.keys(kept)).toHaveLength(4);
    let gone = 0;
    for (const [group, units] of Object.entries(kept)) {
      // A group bears the name of the weight that makes its units. Its rows are what they were, but for what else has gone of them.
      const bias = group.replace("weight", "bias");
      const [before, after] = [start!.get(bias)!.data as Float32Array, end!.get(bias)!.data as Float32Array];
      expect(Array.from(after)).toEqual(units.map((unit) => before[unit]));
      gone += before.length - units.length;
    }
    expect(gone).toBeGreaterThan(30);
  });
});

describe("a run that goes on elsewhere", () => {
  const line =
    "prune net.onnx --data mnist:. --batch-size 32 --threads 2 --workers 1 --macs 0.5 --every 1 --units-per-step 4 --epochs 1 --seed 3";
  /** Begins a run in a folder of its own, and stops it after some removals. */
  async function begin(name: string): Promise<void> {
    mkdirSync(at(name));
    for (const part of ["train", "t10k"])
      for (const what of ["images-idx3-ubyte", "labels-idx1-ubyte"])
        linkSync(at(`${part}-${what}`), at(`${name}/${part}-${what}`));
    linkSync(at("net.onnx"), at(`${name}/net.onnx`));
    const argv = [main, ...words(line), "-o", "small.onnx"];
    await new Promise<void>((resolve) => {
      const child = spawn(process.execPath, argv, { cwd: at(name), stdio: ["ignore", "ignore", "pipe"] });
      let told = "";
      child.stderr.on("data", (text: Buffer) => {
        told += String(text);
        if (/removal \d/.test(told)) child.kill("SIGINT");
      });
      child.on("close", () => resolve());
    });
  }
  const goOn = (cwd: string, ...argv: string[]) =>
    promisify(execFile)(process.execPath, [main, "prune", "--resume", ...argv], { cwd });

  it.skipIf(process.platform === "win32")(
    "finds its files, and ends in the same bytes",
    { ...laws, timeout: 120_000 },
    async () => {
      await begin("home");
      mkdirSync(at("away"));
      renameSync(at("home"), at("away/moved"));
      const { stderr } = await goOn(at("away"), "moved/small.run");
      expect(stderr).not.toContain("instead of");
      await succeed(
        ...words(line.replace("net.onnx", at("net.onnx")).replace("mnist:.", `mnist:${folder}`)),
        "-o",
        at("whole.onnx"),
      );
      expect(read("away/moved/small.onnx").equals(read("whole.onnx"))).toBe(true);
    },
  );

  it.skipIf(process.platform === "win32")(
    "takes other threads and workers, and says so",
    { ...laws, timeout: 120_000 },
    async () => {
      await begin("one");
      const { stderr } = await goOn(folder, "one/small.run", "--threads", "1", "--workers", "2");
      expect(stderr).toContain(
        "it goes on with --threads 1 instead of 2, --workers 2 instead of 1: its bytes may differ",
      );
      expect(read("one/small.onnx").length).toBeGreaterThan(1000);
      await begin("two");
      renameSync(at("two/net.onnx"), at("two/other.onnx"));
      await expect(goOn(at("two"), "small.run")).rejects.toThrow(
        "the model of the run small.run is not there any more",
      );
    },
  );
});
