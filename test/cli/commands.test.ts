/** Every command on small models and data, and every kind of bad input. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { formatIdx } from "../../src/data/idx.ts";
import { run } from "../../src/cli/program.ts";
import { nodeRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { random } from "../support/graphs.ts";

const folder = mkdtempSync(join(tmpdir(), "secateur-cli-"));
const at = (name: string): string => join(folder, name);

/** Runs the command line; what it wrote and its exit code. */
async function secateur(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const capture = (key: "out" | "err") => (text: string | Uint8Array) => {
    written[key] += String(text);
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(capture("out")),
    vi.spyOn(process.stderr, "write").mockImplementation(capture("err")),
  ];
  try {
    const code = await run(argv);
    return { code, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = undefined;
  }
}

/** Digits that a net can learn: a bright row whose height is the class. */
function writeDigits(): void {
  const next = random(5);
  for (const [part, n] of [
    ["train", 320],
    ["t10k", 100],
  ] as const) {
    const labels = Uint8Array.from({ length: n }, (_, i) => i % 10);
    const images = new Uint8Array(n * 784);
    labels.forEach((label, i) => {
      for (let p = 0; p < 784; p++)
        images[i * 784 + p] = Math.floor(next() * 60) + (Math.floor(p / 28 / 2.8) === label ? 190 : 0);
    });
    writeFileSync(at(`${part}-images-idx3-ubyte`), formatIdx({ shape: [n, 28, 28], data: images }));
    writeFileSync(at(`${part}-labels-idx1-ubyte`), formatIdx({ shape: [n], data: labels }));
  }
}

const moduleOf = (body: string): string =>
  `export default async function* () { for (let i = 0; i < 4; i++) yield (${body}); }`;

beforeAll(async () => {
  writeDigits();
  await secateur("new", "lenet5", "--seed", "1", "-o", at("net.onnx"));
  const pixels = "{ dtype: 'float32', shape: [8, 1, 28, 28], data: new Float32Array(8 * 784).fill(VALUE) }";
  const batch = (value: string, labels: string) =>
    moduleOf(`{ inputs: ${pixels.replace("VALUE", value)}, target: ${labels} }`);
  writeFileSync(at("nan.mjs"), batch("NaN", "[0,1,2,3,4,5,6,7]"));
  writeFileSync(at("label.mjs"), batch("0.5", "[0,1,2,3,4,5,6,70]"));
  writeFileSync(
    at("shape.mjs"),
    moduleOf(
      "{ inputs: { dtype: 'float32', shape: [8, 3, 28, 28], data: new Float32Array(8 * 3 * 784) }, target: [0,1,2,3,4,5,6,7] }",
    ),
  );
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const data = ["--data", `mnist:${folder}`, "--threads", "1"];

describe("commands", () => {
  it("inspect prints JSON with groups, costs and what is frozen", async () => {
    const { code, out, err } = await secateur("inspect", at("net.onnx"), "--json");
    expect([code, err]).toEqual([0, ""]);
    const summary = JSON.parse(out);
    expect(summary.groups.map((g: { name: string; units: number }) => [g.name, g.units])).toEqual([
      ["conv1.weight", 6],
      ["conv2.weight", 16],
      ["fc1.weight", 120],
      ["fc2.weight", 84],
    ]);
    expect(summary).toMatchObject({ opset: 23, params: 61706, macs: 416_520, refused: [] });
    expect(summary.frozen[0].name).toBe("fc3.weight");
    expect((await secateur("inspect", at("net.onnx"))).out).toContain("conv1.weight");
  });

  it("plan, cut and mask: half of every group, and equal outputs", async () => {
    expect((await secateur("plan", at("net.onnx"), "--ratio", "0.5", "-o", at("plan.json"))).code).toBe(0);
    const plan = JSON.parse(readFileSync(at("plan.json"), "utf8"));
    expect(
      Object.fromEntries(Object.entries(plan.remove).map(([name, units]) => [name, (units as number[]).length])),
    ).toEqual({
      "conv1.weight": 3,
      "conv2.weight": 8,
      "fc1.weight": 60,
      "fc2.weight": 42,
    });
    expect(
      (await secateur("cut", at("net.onnx"), "--plan", at("plan.json"), "-o", at("cut.onnx"), "--json")).code,
    ).toBe(0);
    expect((await secateur("mask", at("net.onnx"), "--plan", at("plan.json"), "-o", at("mask.onnx"))).code).toBe(0);
    const input = {
      dtype: "float32" as const,
      shape: [2, 1, 28, 28],
      data: Float32Array.from({ length: 2 * 784 }, random(3)),
    };
    const outputs = await Promise.all(
      ["cut.onnx", "mask.onnx", "net.onnx"].map(async (file) => {
        const session = await nodeRuntime.load(readFileSync(at(file)), { threads: 1 });
        const { logits } = await session.run({ input });
        await session.dispose();
        return Array.from(logits!.data as Float32Array);
      }),
    );
    outputs[0]!.forEach((x, i) => expect(x).toBeCloseTo(outputs[1]![i]!, 5));
    expect(outputs[0]!.some((x, i) => Math.abs(x - outputs[2]![i]!) > 1e-3)).toBe(true);
  });

  it("plan: a seed gives the same plan, sizes are rounded, the scope is global", async () => {
    for (const file of ["a.json", "b.json"])
      await secateur(
        "plan",
        at("net.onnx"),
        "--ratio",
        "0.4",
        "--criterion",
        "random",
        "--scope",
        "global",
        "--round-to",
        "4",
        "--seed",
        "7",
        "-o",
        at(file),
      );
    expect(readFileSync(at("a.json"), "utf8")).toBe(readFileSync(at("b.json"), "utf8"));
    const sizes: Record<string, number> = {
      "conv1.weight": 6,
      "conv2.weight": 16,
      "fc1.weight": 120,
      "fc2.weight": 84,
    };
    for (const [name, units] of Object.entries(JSON.parse(readFileSync(at("a.json"), "utf8")).remove))
      expect((sizes[name]! - (units as number[]).length) % 4).toBe(0);
  });

  it("grad writes loss and one gradient for each parameter, or for each group and sample", async () => {
    expect((await secateur("grad", at("net.onnx"), "-o", at("grad.onnx"), "--batch", "3")).code).toBe(0);
    expect(
      (await secateur("grad", at("net.onnx"), "-o", at("gates.onnx"), "--batch", "3", "--wrt", "gates")).code,
    ).toBe(0);
    const feeds = {
      input: { dtype: "float32" as const, shape: [3, 1, 28, 28], data: new Float32Array(3 * 784).fill(0.3) },
      target: { dtype: "int64" as const, shape: [3], data: BigInt64Array.of(1n, 2n, 9n) },
    };
    for (const [file, name, shape] of [
      ["grad.onnx", "grad/fc1.weight", [120, 400]],
      ["gates.onnx", "grad/fc1.weight", [3, 120]],
    ] as const) {
      const session = await nodeRuntime.load(readFileSync(at(file)), { threads: 1 });
      const results = await session.run(feeds);
      expect(results["loss"]!.shape).toEqual([]);
      expect(results[name]!.shape).toEqual(shape);
      await session.dispose();
    }
  });

  it("train, eval, score, prune and finetune: the whole way, and the same bytes for the same seed", async () => {
    const learn = [...data, "--batch-size", "32", "--seed", "3"];
    const trained = await secateur(
      "train",
      at("net.onnx"),
      ...learn,
      "--epochs",
      "6",
      "--learning-rate",
      "0.05",
      "-o",
      at("trained.onnx"),
    );
    expect([trained.code, trained.out]).toEqual([0, ""]);
    const evaluated = await secateur("eval", at("trained.onnx"), ...data, "--json");
    expect(evaluated.code).toBe(0);
    expect(JSON.parse(evaluated.out)).toMatchObject({ samples: 100 });
    expect(JSON.parse(evaluated.out).top1).toBeGreaterThan(0.95);
    expect(
      (await secateur("score", at("trained.onnx"), ...learn, "--batches", "3", "--json", at("scores.json"))).code,
    ).toBe(0);
    const scores = JSON.parse(readFileSync(at("scores.json"), "utf8"));
    expect(scores.criterion).toBe("taylor-fo");
    expect(scores.groups["fc1.weight"]).toHaveLength(120);
    expect(scores.groups["fc1.weight"].every((x: number) => x >= 0)).toBe(true);
    const prune = (file: string) =>
      secateur(
        "prune",
        at("trained.onnx"),
        ...learn,
        "--macs",
        "0.5",
        "--every",
        "2",
        "--epochs",
        "2",
        "--json",
        "-o",
        at(file),
      );
    const first = await prune("small.onnx");
    expect(first.code).toBe(0);
    const result = JSON.parse(first.out);
    expect(result.end).toBe("met");
    expect(result.after.macs).toBeLessThanOrEqual(0.5 * result.before.macs);
    await prune("again.onnx");
    expect(readFileSync(at("again.onnx")).equals(readFileSync(at("small.onnx")))).toBe(true);
    expect((await secateur("finetune", at("small.onnx"), ...learn, "--epochs", "1", "-o", at("tuned.onnx"))).code).toBe(
      0,
    );
    expect(JSON.parse((await secateur("eval", at("tuned.onnx"), ...data, "--json")).out).top1).toBeGreaterThan(0.95);
  });

  it("prune: exit code 1 where the budget cannot be met", async () => {
    const { code, err } = await secateur(
      "prune",
      at("net.onnx"),
      ...data,
      "--batch-size",
      "32",
      "--units",
      "0.001",
      "--every",
      "1",
      "--units-per-step",
      "200",
      "--epochs",
      "0",
      "-o",
      at("least.onnx"),
    );
    expect([code, err.includes("not met")]).toEqual([1, true]);
    // A single channel that is flattened is no axis of its own any more, so that its group is frozen.
    const { groups } = JSON.parse((await secateur("inspect", at("least.onnx"), "--json")).out);
    expect(groups.length).toBeGreaterThan(0);
    for (const group of groups) expect(group.units).toBe(1);
  });

  it("--help and --version", async () => {
    expect(await secateur("--version")).toMatchObject({ code: 0 });
    for (const command of [
      "inspect",
      "score",
      "plan",
      "cut",
      "mask",
      "prune",
      "train",
      "finetune",
      "eval",
      "grad",
      "data",
      "new",
    ])
      expect((await secateur(command, "--help")).code, command).toBe(0);
  });
});

describe("bad input: one clear line, exit code 2, nothing written", () => {
  const cases: readonly [string, () => string[], RegExp][] = [
    [
      "a truncated model",
      () => ["inspect", write("short.onnx", readFileSync(at("net.onnx")).subarray(0, 5000))],
      /short\.onnx/,
    ],
    [
      "a picture",
      () => ["inspect", write("picture.onnx", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10))],
      /PNG/,
    ],
    ["no such file", () => ["inspect", at("none.onnx")], /none\.onnx/],
    ["a folder as a model", () => ["inspect", folder], /folder|directory/],
    ["an output in no folder", () => ["plan", at("net.onnx"), "--ratio", "0.5", "-o", at("no/plan.json")], /no/],
    [
      "a group that is not there",
      () => ["cut", at("net.onnx"), "--plan", write("g.json", '{"remove":{"nowhere":[0]}}'), "-o", at("x.onnx")],
      /no group "nowhere"/,
    ],
    [
      "a frozen group",
      () => ["cut", at("net.onnx"), "--plan", write("z.json", '{"remove":{"fc3.weight":[0]}}'), "-o", at("x.onnx")],
      /fc3\.weight.*output of the model/,
    ],
    [
      "a unit that is not there",
      () => ["cut", at("net.onnx"), "--plan", write("u.json", '{"remove":{"conv1.weight":[6]}}'), "-o", at("x.onnx")],
      /0\.\.5/,
    ],
    [
      "all units of a group",
      () => [
        "mask",
        at("net.onnx"),
        "--plan",
        write("e.json", '{"remove":{"conv1.weight":[0,1,2,3,4,5]}}'),
        "-o",
        at("x.onnx"),
      ],
      /at least one must stay/,
    ],
    [
      "a plan that is not JSON",
      () => ["cut", at("net.onnx"), "--plan", write("j.json", "{remove"), "-o", at("x.onnx")],
      /not JSON/,
    ],
    ["a label out of range", () => ["eval", at("net.onnx"), "--data", `module:${at("label.mjs")}`], /70/],
    [
      "a label out of range in training",
      () => [
        "finetune",
        at("net.onnx"),
        "--data",
        `module:${at("label.mjs")}`,
        "--batch-size",
        "8",
        "-o",
        at("x.onnx"),
      ],
      /70/,
    ],
    [
      "NaN in the data, scoring",
      () => ["score", at("net.onnx"), "--data", `module:${at("nan.mjs")}`, "--batch-size", "8"],
      /NaN|not a number|not finite/,
    ],
    [
      "NaN in the data, pruning",
      () => [
        "prune",
        at("net.onnx"),
        "--data",
        `module:${at("nan.mjs")}`,
        "--batch-size",
        "8",
        "--macs",
        "0.5",
        "-o",
        at("x.onnx"),
      ],
      /NaN|not a number|not finite/,
    ],
    [
      "the wrong shape of input",
      () => ["eval", at("net.onnx"), "--data", `module:${at("shape.mjs")}`],
      /\[batch, 1, 28, 28\]/,
    ],
    [
      "a loss that diverges",
      () => ["finetune", at("net.onnx"), ...data, "--batch-size", "32", "--learning-rate", "1e20", "-o", at("x.onnx")],
      /lower --learning-rate/,
    ],
    ["an unknown criterion", () => ["score", at("net.onnx"), "--criterion", "best"], /taylor-fo/],
    ["an unknown command", () => ["prunee"], /unknown command/],
    ["a missing option", () => ["cut", at("net.onnx"), "-o", at("x.onnx")], /--plan/],
    ["a ratio above 1", () => ["plan", at("net.onnx"), "--ratio", "1.5", "-o", at("x.json")], /from 0 to 1/],
    ["no budget", () => ["prune", at("net.onnx"), ...data, "-o", at("x.onnx")], /--macs/],
    [
      "a batch larger than the data",
      () => ["prune", at("net.onnx"), ...data, "--batch-size", "512", "--macs", "0.5", "-o", at("x.onnx")],
      /512|batch/,
    ],
    ["an unknown kind of data", () => ["eval", at("net.onnx"), "--data", "imagenet:x"], /cifar10/],
    [
      "data that is not there",
      () => ["eval", at("net.onnx"), "--data", `cifar10:${at("none")}`],
      /secateur data cifar10/,
    ],
    ["a model that is unknown", () => ["new", "alexnet", "-o", at("x.onnx")], /lenet3/],
  ];
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(at(name), content);
    return at(name);
  };
  for (const [name, argv, message] of cases)
    it(name, async () => {
      const args = argv();
      const before = readdirSync(folder);
      const { code, out, err } = await secateur(...args);
      expect(err).toMatch(message);
      expect([code, out]).toEqual([2, ""]);
      expect(err).not.toMatch(/^\s+at /m);
      expect(
        err
          .trim()
          .split("\n")
          .filter((line) => line.startsWith("secateur:") || line.startsWith("error:")),
      ).toHaveLength(1);
      expect(readdirSync(folder)).toEqual(before);
    });
});

it("an interrupt ends the work with exit code 130 and writes nothing", async () => {
  const spy = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  const code = await run(
    ["finetune", at("net.onnx"), ...data, "--batch-size", "32", "--epochs", "50", "-o", at("never.onnx")],
    AbortSignal.timeout(700),
  );
  spy.mockRestore();
  expect(code).toBe(130);
  expect(readdirSync(folder)).not.toContain("never.onnx");
});
