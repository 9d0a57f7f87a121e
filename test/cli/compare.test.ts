/** secateur compare: what it prints, and the gate that it is in continuous integration. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorkshop, secateur, writeDigits, type Ran } from "./support.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;
const digits = ["--data", `mnist:${folder}`, "--threads", "1", "--batch-size", "50"];

async function compare(names: readonly [string, string], ...more: string[]): Promise<Ran> {
  return await secateur(["compare", ...names.map(at), "--threads", "1", ...more]);
}

beforeAll(async () => {
  writeDigits(workshop);
  write(
    "unlabelled.mjs",
    `export default async function* () {
  const shape = [8, 1, 28, 28];
  for (let i = 0; i < 4; i++)
    yield { inputs: { dtype: "float32", shape, data: Float32Array.from({ length: 6272 }, (_, j) => ((j * (i + 7)) % 97) / 97) } };
}
`,
  );
  const runs = [
    ["new", "lenet5", "--seed", "1", "-o", at("new.onnx")],
    ["new", "lenet5", "--seed", "1", "--classes", "7", "-o", at("seven.onnx")],
    ["train", at("new.onnx"), ...digits, "--epochs", "6", "--learning-rate", "0.05", "-o", at("net.onnx")],
    ["plan", at("net.onnx"), "--ratio", "0.5", "-o", at("plan.json")],
    ["cut", at("net.onnx"), "--plan", at("plan.json"), "-o", at("small.onnx")],
  ];
  for (const argv of runs) expect((await secateur(argv)).err).not.toContain("secateur:");
});
afterAll(() => workshop.remove());

describe("compare", () => {
  it("prints costs, units and the difference on random inputs", async () => {
    const { code, out } = await compare(["net.onnx", "small.onnx"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^ +before +after +change\nparameters +61\.71 k +\d+\.\d\d k +0\.\d{3}$/m);
    expect(out).toMatch(/^group +before +after\nconv1\.weight +6 +3\nconv2\.weight +16 +8$/m);
    expect(out).toMatch(/^1 of 5 groups have the units they had$/m);
    expect(out).toMatch(/^on random inputs "logits" differs by at most \d.*, \d+\.\d\d % of its range$/m);
  });

  it("prints JSON: nothing differs from itself", async () => {
    const { out } = await compare(["net.onnx", "net.onnx"], "--json");
    const found = JSON.parse(out);
    expect(found.after).toEqual(found.before);
    expect(found.outputs.logits).toMatchObject({ largest: 0, difference: 0 });
  });

  it("measures both on labelled data as eval does", async () => {
    const { out } = await compare(["net.onnx", "small.onnx"], ...digits, "--json");
    const { data } = JSON.parse(out);
    for (const [i, name] of ["net.onnx", "small.onnx"].entries()) {
      const { top1, top5, loss, intervals } = JSON.parse((await secateur(["eval", at(name), ...digits, "--json"])).out);
      expect(data.quality[i]).toEqual({ top1, top5, loss: expect.closeTo(loss, 6), intervals });
    }
    expect(data).toMatchObject({ samples: 100, drop: 100 * (data.quality[0].top1 - data.quality[1].top1) });
    expect(data.dropInterval.low).toBeLessThan(data.drop);
    expect(data.dropInterval.high).toBeGreaterThan(data.drop);
    const table = (await compare(["net.onnx", "small.onnx"], ...digits)).out;
    const share = String.raw`\d+ % \(\d+ to \d+ %\)`;
    expect(table).toMatch(new RegExp(`^top-1 +${share} +${share} +-\\d+ points \\(-\\d+ to -?\\d+\\)$`, "m"));
    expect(table).toMatch(
      new RegExp(`^over 100 samples: agreement ${share}, divergence \\d.*, mean squared difference \\d`, "m"),
    );
  });

  it("times both", async () => {
    const { out } = await compare(["net.onnx", "small.onnx"], "--latency", "--rounds", "6", "--json");
    const { latency } = JSON.parse(out);
    expect(latency).toHaveLength(2);
    for (const { low, median, high } of latency) expect(0 < low && low <= median && median <= high).toBe(true);
    const one = await compare(["net.onnx", "small.onnx"], "--latency", "--rounds", "6");
    expect(one.out).toMatch(/^latency +[\d.]+ ms \([\d.]+ to [\d.]+\) +[\d.]+ ms \([\d.]+ to [\d.]+\) +\d\.\d{3}$/m);
  });
});

describe("--max-drop", () => {
  it("ends with 1 where top-1 falls by more, and with 0 where it does not", async () => {
    const worse = await compare(["net.onnx", "new.onnx"], ...digits, "--max-drop", "1.0");
    expect([worse.code, worse.err]).toEqual([
      1,
      expect.stringMatching(
        /^the second model loses \d+ points of top-1 \([\d.]+ to [\d.]+\); more than --max-drop 1$/m,
      ),
    ]);
    expect((await compare(["new.onnx", "net.onnx"], ...digits, "--max-drop", "0")).code).toBe(0);
    expect((await compare(["net.onnx", "new.onnx"], ...digits, "--max-drop", "100")).code).toBe(0);
  });

  it("says where so few samples cannot tell, on either side", async () => {
    const pair = ["net.onnx", "small.onnx"] as const;
    const { drop, dropInterval } = JSON.parse((await compare(pair, ...digits, "--json")).out).data;
    const doubt = "100 samples cannot tell whether it loses more than --max-drop";
    const within = [drop - 0.5, drop + 0.5].map((points) => Math.max(0, points));
    const [below, above] = [
      await compare(pair, ...digits, "--max-drop", `${within[0]}`),
      await compare(pair, ...digits, "--max-drop", `${within[1]}`),
    ];
    expect([below.code, above.code]).toEqual([1, 0]);
    for (const { err } of [below, above]) expect(err).toContain(doubt);
    const sure = await compare(pair, ...digits, "--max-drop", `${dropInterval.high + 1}`);
    expect([sure.code, sure.err]).toEqual([0, expect.not.stringContaining(doubt)]);
  });

  it("counts agreement where there are no labels", async () => {
    const data = ["--data", `module:${at("unlabelled.mjs")}`, "--batch-size", "8"];
    const apart = await compare(["net.onnx", "new.onnx"], ...data, "--max-drop", "1", "--json");
    const found = JSON.parse(apart.out).data;
    expect(found.quality).toBeUndefined();
    expect(found).toMatchObject({ samples: 32, drop: expect.closeTo(100 * (1 - found.agreement), 9) });
    expect([apart.code, apart.err]).toEqual([1, expect.stringMatching(/loses \d+(\.\d+)? points of agreement \(/)]);
    expect((await compare(["net.onnx", "net.onnx"], ...data, "--max-drop", "0")).code).toBe(0);
  });

  it.each([
    ["without data", () => ["--max-drop", "1"], /--max-drop is measured on data: say which, by --data/],
    [
      "with mse",
      () => [...digits, "--loss", "mse", "--max-drop", "1"],
      /the target in the data is int64 \[50\]; the loss takes float32/,
    ],
    ["that is negative", () => ["--max-drop", "-1"], /a number from 0/],
  ])("%s is refused", async (_, more, message) => {
    const { code, out, err } = await compare(["net.onnx", "small.onnx"], ...more());
    expect([code, out, err]).toEqual([2, "", expect.stringMatching(message)]);
  });
});

describe("models of different outputs", () => {
  it.each([
    ["on random inputs", []],
    ["on data", digits],
  ])("are refused %s", async (_, more) => {
    const { code, out, err } = await compare(["net.onnx", "seven.onnx"], ...more);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(
      /^secateur: the models cannot be compared: the outputs of a sample are float32 \[10\] .* \[7\]/m,
    );
  });
});
