/** Scores of shards: put together they are those of one machine to the last bit, and what is no whole is refused. */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataCriterion, Scores } from "../../src/criteria/criterion.ts";
import { criteria } from "../../src/criteria/table.ts";
import { spanOf } from "../../src/distribute/shards.ts";
import { version } from "../../src/graph/version.ts";
import { arrayDataset, load, mergeScores, score, type Model, type ScorePart } from "../../src/node.ts";
import type { CriterionName } from "../../src/options/ranking.ts";
import { openWorkshop, secateur } from "../cli/support.ts";
import { random } from "../support/graphs.ts";
import { lawsBut } from "../support/laws.ts";

const net = (name: string): string => new URL(`../fixtures/nets/${name}.onnx`, import.meta.url).pathname;
const model = await load(net("residual-conv"));

/** Samples for the net, shuffled as real ones are. */
function samplesOf(count: number, seed = 1) {
  const next = random(seed);
  return {
    name: "drawn",
    inputs: {
      "": {
        dtype: "float32",
        shape: [count, 3, 9, 9],
        data: Float32Array.from({ length: count * 243 }, () => next() * 2 - 1),
      },
    },
    target: { dtype: "int64", shape: [count], data: BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 5)) },
  } as const;
}
const data = arrayDataset(samplesOf(48));
const quick = { data, batchSize: 4, batches: 10, threads: 1, seed: 3, labelsAreRight: true } as const;

type Options = Parameters<typeof score>[1];

/** The parts of a measurement; each is what comes out of a file. */
async function partsOf(of: number, options: Options = {}, whole: Model = model): Promise<ScorePart[]> {
  const parts: ScorePart[] = [];
  for (let index = 1; index <= of; index++) {
    const part = await score(whole, { ...quick, ...options, shard: { index, of } });
    parts.push(JSON.parse(JSON.stringify(part)) as ScorePart);
  }
  return parts;
}

/** Every bit of importances. */
const bitsOf = (scores: Scores) =>
  [...scores].map(([name, values]) => [name, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);

describe("shards", () => {
  it("cover all minibatches, once each, and differ by one at most", () => {
    for (const of of [1, 2, 5, 10, 16])
      for (const minibatches of [1, 7, 10, 16, 100]) {
        const spans = Array.from({ length: of }, (_, i) => spanOf({ index: i + 1, of }, minibatches));
        const sizes = spans.map(({ from, to }) => to - from);
        expect(spans.map(({ from }) => from)).toEqual([0, ...spans.slice(0, -1).map(({ to }) => to)]);
        expect(spans.at(-1)!.to).toBe(minibatches);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }
  });

  it("are numbered from 1 to how many there are", async () => {
    expect(() => spanOf({ index: 3, of: 2 }, 10)).toThrow("the last of 2 shards is 2");
    await expect(score(model, { ...quick, shard: { index: 0, of: 2 } }).result).rejects.toThrow(
      "shard.index is 0, it must be a whole number from 1",
    );
  });
});

describe("merged scores are those of one machine to the last bit", () => {
  const all = [...criteria.values()].filter(({ kind }) => kind === "data").map(({ name }) => name as CriterionName);
  const named = new Set(["taylor-fo", "taylor-fo-fg", "taylor-so", "oracle"]);
  for (const criterion of all)
    it(criterion, lawsBut(["taylor-fo"], criterion), async () => {
      const options = { criterion, probes: 3, batches: criterion.startsWith("oracle") ? 3 : 6 };
      const whole = bitsOf(await score(model, { ...quick, ...options }));
      expect(whole.length).toBeGreaterThan(0);
      for (const of of named.has(criterion) ? [1, 2, 5, 16] : [3]) {
        const parts = await partsOf(of, options);
        expect(parts.some(({ minibatches }) => minibatches.length === 0)).toBe(of > options.batches);
        expect(bitsOf(await mergeScores(parts.toReversed()))).toEqual(whole);
      }
    });

  it.each<[string, Options]>([
    ["targets that are drawn", { criterion: "taylor-fo-fg", targets: "sampled" }],
    ["gates on the residual stream", { gates: "residual" }],
    ["another seed", { seed: 4 }],
    ["data that ends before the last minibatch", { batches: 40 }],
  ])("with %s", async (_, options) => {
    const whole = (await score(model, { ...quick, ...options })) as Scores;
    expect(bitsOf(await mergeScores(await partsOf(4, options)))).toEqual(bitsOf(whole));
    if (options?.batches === undefined) expect(bitsOf(whole)).not.toEqual(bitsOf(await score(model, quick)));
  });

  it("with minibatches in pieces", async () => {
    const told: number[] = [];
    const split = { batchSize: 16, batches: 3, onSplit: (pieces: number) => void told.push(pieces) };
    // Little more than the process takes without the net.
    const options = { criterion: "taylor-fo-fg", memory: 352 * 2 ** 20 + 300_000, ...split } as const;
    const whole = await score(model, { ...quick, ...options });
    expect(bitsOf(await mergeScores(await partsOf(3, options)))).toEqual(bitsOf(whole));
    expect(told).toEqual(Array.from({ length: 4 }, () => told[0]));
    expect(told[0]).toBeGreaterThan(1);
  });

  it("of a criterion of one's own, which has to be given", async () => {
    const own: DataCriterion<"gates"> = {
      name: "largest",
      summary: "the largest gradient",
      kind: "data",
      needs: ["gates"],
      sample: ({ gates, units }) => Float64Array.from({ length: units }, (_, m) => Math.abs(gates[m]!)),
      finish: (average) => average.map(Math.sqrt),
    };
    const parts = await partsOf(3, { criterion: own });
    const merged = await mergeScores(parts, { criterion: own });
    expect(bitsOf(merged)).toEqual(bitsOf(await score(model, { ...quick, criterion: own })));
    await expect(mergeScores(parts)).rejects.toThrow('of "largest", a criterion of your own: give it by `criterion`');
    await expect(mergeScores(parts, { criterion: { ...own, name: "other" } })).rejects.toThrow(
      'the parts are of "largest", and `criterion` is "other"',
    );
  });
});

describe("what cannot be shared out is refused by name", () => {
  const refused = (options: Options) =>
    expect(score(model, { ...quick, ...options, shard: { index: 1, of: 2 } }).result).rejects;

  it.each(["magnitude", "bn-scale", "random"] as const)("%s, which looks at weights alone", async (criterion) => {
    await refused({ criterion, data: undefined }).toThrow(
      `${criterion} looks at weights alone: there are no minibatches to share out`,
    );
  });

  it("a criterion that looks at the model in the end", async () => {
    const own: DataCriterion<"gates"> = {
      ...(criteria.get("taylor-fo") as DataCriterion<"gates">),
      name: "spread",
      finish: (average, { groups }) => average.map((value) => value / groups.groups.length),
    };
    await refused({ criterion: own }).toThrow("spread looks at the graph when its averages are finished");
    const costly = {
      ...own,
      finish: (average: Float64Array, { saving }: { saving(unit: number): object }) => {
        saving(0);
        return average;
      },
    };
    await refused({ criterion: costly }).toThrow("does not say so by countsCost");
  });

  it("a name of data", async () => {
    await refused({ data: undefined }).toThrow("taylor-fo needs data: give it by `data`");
  });
});

describe("parts that do not belong together are refused by name", () => {
  let parts: ScorePart[];
  beforeAll(async () => {
    parts = await partsOf(3);
  });
  const refused = (given: readonly unknown[]) => expect(mergeScores(given as ScorePart[])).rejects;
  const other = async (options: Options, whole?: Model): Promise<unknown[]> => {
    const [, second] = await partsOf(3, options, whole);
    return [parts[0]!, second!, parts[2]!];
  };

  it("none", async () => {
    await refused([]).toThrow("there are no parts to merge");
  });

  it("missing ones, which are named", async () => {
    await refused([parts[0]!]).toThrow('of 3 parts 2 are missing: make `shard: { "index": 2, "of": 3 }`, `shard: {');
  });

  it("of a run in other parts", async () => {
    const [, second] = await partsOf(2);
    await refused([parts[0]!, second!]).toThrow("part 2/2 and part 1/3 do not belong together: 2/2 and 1/3");
  });

  it("given twice: the same is fine, and others are not", async () => {
    const twice = await mergeScores([...parts, parts[1]!]);
    expect(bitsOf(twice)).toEqual(bitsOf(await mergeScores(parts)));
    const [, second] = await partsOf(3, { threads: 2 });
    await refused([...parts, second!]).toThrow("part 2/3 and part 2/3 are both of shard 2/3 and differ");
  });

  it("of another model", async () => {
    const first = model.graph.initializers.get("stem.weight") ?? [...model.graph.initializers.values()][0]!;
    const name = [...model.graph.initializers].find(([, value]) => value === first)![0];
    const changed = {
      ...first,
      data: (first.data as Float32Array).map((value, i) => (i === 0 ? value + 1e-3 : value)),
    };
    const graph = { ...model.graph, initializers: new Map([...model.graph.initializers, [name, changed]]) };
    await refused(await other({}, { ...model, graph })).toThrow(
      /^part 2\/3 and part 1\/3 do not belong together: they are of different models \(SHA-256 \w{12} and \w{12}\)$/,
    );
  });

  it("of other data, and not of data by another name", async () => {
    const message = 'they are of different data: "drawn" of 48 samples and "drawn" of 48 samples differ';
    await refused(await other({ data: arrayDataset(samplesOf(48, 2)) })).toThrow(message);
    const moved = await other({ data: arrayDataset({ ...samplesOf(48), name: "/elsewhere/drawn" }) });
    expect(bitsOf(await mergeScores(moved as ScorePart[]))).toEqual(bitsOf(await mergeScores(parts)));
  });

  it.each<[Options, string]>([
    [{ criterion: "taylor-fo-fg" }, "`criterion` is taylor-fo-fg and taylor-fo"],
    [{ batchSize: 8 }, "`batchSize` is 8 and 4"],
    [{ batches: 9 }, "`batches` is 9 and 10"],
    [{ seed: 4 }, "`seed` is 4 and 3"],
    [{ gates: "before-bn" }, '`gates` is "before-bn" and "after-bn"'],
    [{ targets: "sampled" }, '`targets` is "sampled" and "labels"'],
    [
      { loss: { kind: "cross-entropy", ignore: 9 } },
      '`loss` is {"ignore":9,"kind":"cross-entropy"} and "cross-entropy"',
    ],
    [{ memory: 2 ** 30 }, "`memory` is 1073741824 and not given"],
  ])("of other options: %o", async (options, message) => {
    await refused(await other(options)).toThrow(`part 2/3 and part 1/3 do not belong together: ${message}`);
  });

  it("changed, of another version, or none at all", async () => {
    const [first, second, third] = parts as [ScorePart, ScorePart, ScorePart];
    const less = { ...second, minibatches: second.minibatches.slice(1) };
    await refused([first, less, third]).toThrow("part 2/3 is not as it was written, cut short or changed");
    await refused([first, { ...second, minibatches: undefined }, third]).toThrow("part 2/3 is not as it was written");
    await refused([first, { ...second, version: "0.1.0" }, third]).toThrow(
      `part 2/3 was made by Secateur 0.1.0, and this is ${version}`,
    );
    await refused([first, { groups: {} }, third]).toThrow("the part at place 2 is no part of a measurement");
    await refused([first, null, third]).toThrow("the part at place 2 is no part of a measurement");
  });
});

describe("on the command line", () => {
  const workshop = openWorkshop();
  const { at, write } = workshop;
  afterAll(() => workshop.remove());
  const module = `const next = (i) => Math.sin(i * 12.9898) * 43758.5453 % 1;
export default async function* () {
  for (let b = 0; b < 6; b++) yield {
    inputs: { dtype: "float32", shape: [4, 3, 9, 9], data: Float32Array.from({ length: 972 }, (_, i) => next(i + b)) },
    target: [0, 1, 2, 3],
  };
}
`;
  const scoreOf = (...more: string[]) =>
    secateur(
      `score ${net("residual-conv")} --data module:${write("fine.mjs", module)} --threads 1 --batch-size 4 --batches 6`
        .split(" ")
        .concat("--labels-are-right", ...more),
    );
  const textOf = (name: string): string => readFileSync(at(name), "utf8");

  it("merge writes the bytes of score", async () => {
    expect(await scoreOf("-o", at("whole.json"))).toMatchObject({ code: 0, out: "" });
    await scoreOf("--json", at("same.json"));
    expect(textOf("same.json")).toBe(textOf("whole.json"));
    for (const of of [2, 7]) {
      const files = Array.from({ length: of }, (_, i) => at(`part-${of}-${i + 1}.json`));
      for (const [i, file] of files.entries()) {
        const { code, err } = await scoreOf("--shard", `${i + 1}/${of}`, "-o", file);
        expect([code, err]).toEqual([0, expect.stringMatching(/part \d\/\d of \d minibatch(es)? -> /)]);
      }
      const merged = await secateur(["merge", ...files, "-o", at("merged.json")]);
      expect([merged.code, merged.out, merged.err]).toEqual([
        0,
        "",
        `importances of 5 groups -> ${at("merged.json")}\n`,
      ]);
      expect(textOf("merged.json")).toBe(textOf("whole.json"));
    }
  });

  it("plan takes what merge wrote", async () => {
    const plan = ["plan", net("residual-conv"), "--ratio", "0.3", "--scores", at("merged.json"), "-o", at("plan.json")];
    expect(await secateur(plan)).toMatchObject({ code: 0 });
  });

  const merge = async (...names: string[]) => {
    const { code, err } = await secateur(["merge", ...names.map(at), "-o", at("never.json")]);
    expect(code).toBe(2);
    return err;
  };

  it("refusals name files and flags", async () => {
    expect(await merge("part-2-1.json")).toBe("secateur: of 2 parts one is missing: make --shard 2/2\n");
    write("short.json", textOf("part-2-2.json").slice(0, -200));
    expect(await merge("part-2-1.json", "short.json")).toBe("secateur: short.json is cut short: make the part again\n");
    write("empty.json", "");
    expect(await merge("empty.json", "part-2-1.json")).toContain("empty.json is cut short");
    expect(await merge("whole.json", "part-2-1.json")).toContain("whole.json is no part of a measurement");
    expect(await merge("part-2-1.json", "gone.json")).toContain("gone.json: no such file or folder");
    const { err } = await scoreOf("--shard", "1/2", "-o", at("other.json"), "--seed", "1");
    expect(err).toContain("-> ");
    expect(await merge("other.json", "part-2-2.json")).toContain(
      "part-2-2.json and other.json do not belong together: --seed is 0 and 1",
    );
    expect(await merge("part-2-1.json", "part-2-2.json", "other.json")).toContain(
      "other.json and part-2-1.json do not belong together: --seed is 1 and 0",
    );
  });

  it("says that threads differ, and merges", async () => {
    expect(await scoreOf("--threads", "2", "--shard", "2/2", "-o", at("two.json"))).toMatchObject({ code: 0 });
    const { code, err } = await secateur(["merge", at("part-2-1.json"), at("two.json"), "-o", at("mixed.json")]);
    expect([code, err]).toEqual([0, expect.stringContaining("on cpu with 1 threads, on cpu with 2 threads")]);
  });

  it.each([
    [["--shard", "3/2", "-o", "x.json"], "It must look like 3/16, from 1/16 to 16/16"],
    [["--shard", "0/2", "-o", "x.json"], "It must look like 3/16"],
    [["--shard", "1/2"], "--shard measures a part, which is written by -o alone"],
    [["--shard", "1/2", "--json"], "--shard measures a part, which is written by -o alone"],
    [["-o", "x.json", "--json"], "-o and --json both say where importances go"],
  ])("refuses %s", async (flags, message) => {
    const { code, err } = await scoreOf(...flags);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });

  it("says the version of the package", () => {
    const { version: packed } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(version).toBe(packed);
  });
});
