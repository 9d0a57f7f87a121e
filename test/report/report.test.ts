/** The page of a run: what stands in it, that it is well formed whatever it is given, and that it needs nothing besides. */

import { DOMParser, type Document, type Element } from "@xmldom/xmldom";
import { describe, expect, it } from "vitest";
import { lineChart, logScale } from "../../src/report/charts.ts";
import type { RunRecord, PruneSummary } from "../../src/report/record.ts";
import { reportPage } from "../../src/report/report.ts";
import { smooth, thin } from "../../src/report/run-history.ts";
import { config, smallRecords, summary } from "./small-run.ts";

/** The page as XML, which forgives nothing but knows HTML's document type in capitals only. */
function parse(page: string): Document {
  const fail = (level: string, message: string): void => {
    if (!message.startsWith("Unicode replacement character")) throw new Error(`${level}: ${message}`);
  };
  return new DOMParser({ onError: fail }).parseFromString(page.replace("<!doctype html>", ""), "text/xml");
}

const all = (within: Document | Element, tag: string): Element[] => [...within.getElementsByTagName(tag)];
const textOf = (element: Element): string => (element.textContent ?? "").replaceAll(/\s+/g, " ").trim();
const classed = (within: Document | Element, tag: string, name: string): Element[] =>
  all(within, tag).filter((element) => element.getAttribute("class")?.split(" ").includes(name));

/** A figure by its heading. */
function figureOf(page: Document, title: string): Element {
  const found = all(page, "figure").find((figure) => textOf(all(figure, "h3")[0]!) === title);
  expect(found, title).toBeDefined();
  return found!;
}

const rowsOf = (table: Element): string[][] =>
  all(table, "tr").map((row) =>
    [...row.childNodes].map((cell) => textOf(cell as Element)).filter((text) => text !== ""),
  );

const whole = parse(reportPage(config, smallRecords(), summary));

describe("a finished run", () => {
  it("says in a sentence what came of it", () => {
    expect(textOf(classed(whole, "p", "lead")[0]!)).toBe(
      "Pruning digits.onnx takes its multiply-accumulates from 400.00 k to 200.00 k, parameters from 40.00 k to 20.00 k, " +
        "bytes from 160.00 k to 80.00 k, units from 30 to 18 and top-1 accuracy from 94.0 % (92.4 to 95.3 %) to 96.5 % (95.2 to 97.5 %).",
    );
    expect(textOf(all(whole, "header")[0]!)).toContain("The budget was met.");
    expect(classed(whole, "p", "notice")).toEqual([]);
  });

  it("has a table of figures", () => {
    expect(rowsOf(classed(whole, "table", "figures")[0]!)).toEqual([
      ["before", "after", "change"],
      ["MACs", "400.00 k", "200.00 k", "0.500"],
      ["parameters", "40.00 k", "20.00 k", "0.500"],
      ["bytes", "160.00 k", "80.00 k", "0.500"],
      ["units", "30", "18", "0.600"],
      ["top-1", "94.0 % (92.4 to 95.3 %)", "96.5 % (95.2 to 97.5 %)", "+2.5 points (1.1 to 3.9)"],
      ["top-5", "99.0 % (98.2 to 99.5 %)", "99.0 % (98.2 to 99.5 %)", "+0.0 points"],
      ["loss", "0.2500", "0.1250", "−0.1250"],
    ]);
    expect(textOf(whole.documentElement!)).toContain("Shares are of 1,000 samples of test data.");
  });

  it("names latency and the proof where they are known", () => {
    const page = reportPage(config, smallRecords(), {
      ...summary,
      before: { ...summary.before, latency: { median: 12.345, low: 12, high: 13 } },
      after: { ...summary.after, latency: { median: 6, low: 5.5, high: 7 } },
    });
    expect(rowsOf(classed(parse(page), "table", "figures")[0]!)).toContainEqual([
      "latency",
      "12.3 ms",
      "6.00 ms",
      "0.486",
    ]);
    expect(page).toContain("2.5 × 10⁻⁷");
    expect(classed(whole, "table", "figures").map(textOf).join("")).not.toMatch(/latency/);
  });

  it("draws what was learned over what was removed", () => {
    const loss = figureOf(whole, "Loss while pruning");
    // 0 and 6 of 12 units had gone before the removals: two points of training, at the losses 0.5 and 0.375 between 0.1 and 0.5.
    expect(classed(loss, "path", "line")[0]!.getAttribute("d")).toBe("M0.0,0.0L500.0,312.5");
    expect(all(loss, "span").map(textOf)).toEqual(
      ["training data", "test data", "test data, at the end"].map((name) => expect.stringContaining(name)),
    );
    const accuracy = figureOf(whole, "Accuracy while pruning");
    expect(all(accuracy, "title").map(textOf)).toContain("96.5");
    expect(textOf(accuracy)).toContain("With 95 % confidence a dot is off by 2.2 points at most.");
    const tuning = figureOf(whole, "Loss while fine-tuning");
    expect(classed(tuning, "path", "line")).toHaveLength(2);
    expect(textOf(tuning)).toContain("cross-entropy (nats)");
  });

  it("draws the width of every layer before and after", () => {
    const [, ...rows] = rowsOf(all(figureOf(whole, "Width of each layer"), "table")[0]!);
    expect(rows.map((row) => row.slice(0, 4))).toEqual([
      ["conv1.weight", "10", "7", "70 %"],
      ["fc1.weight", "20", "11", "55 %"],
    ]);
    const bars = classed(figureOf(whole, "Width of each layer"), "rect", "bar");
    expect(bars.map((bar) => bar.getAttribute("width"))).toEqual(["50%", "35%", "100%", "55%"]);
  });

  it("draws importance over powers of ten, at the first and the last removal", () => {
    const figure = figureOf(whole, "Importance of each layer's units");
    const [, ...rows] = rowsOf(all(figure, "table")[0]!);
    expect(rows.map((row) => row.slice(0, 3))).toEqual([
      ["conv1.weight", "0.001", "0.002"],
      ["fc1.weight", "1.0 × 10⁻⁵", "2.0 × 10⁻⁵"],
    ]);
    expect(all(classed(figure, "svg", "ticks")[0]!, "text").map(textOf)).toEqual([
      "0",
      "10⁻⁵",
      "10⁻⁴",
      "10⁻³",
      "10⁻²",
      "10⁻¹",
    ]);
    expect(all(figure, "tr").map((row) => all(row, "th").map(textOf).slice(1, 3))[0]).toEqual([
      "first median",
      "last median",
    ]);
    // The least units are worth nothing.
    expect(classed(figure, "line", "range")[0]!.getAttribute("x1")).toBe("2%");
    // Medians of 1e-3 and 2e-3 between 1e-5 and 1e-1, which lie behind the place of 0.
    const medians = all(figure, "circle").map((dot) => dot.getAttribute("cx"));
    expect(medians.slice(0, 2)).toEqual(["56%", `${Number((12 + 88 * ((Math.log10(2e-3) + 5) / 4)).toFixed(2))}%`]);
  });

  it("gives the criterion's estimate of sensitivity, and says that it is one", () => {
    const figure = figureOf(whole, "Sensitivity of each layer");
    expect(textOf(figure)).toContain("The criterion's estimate");
    expect(all(figure, "circle")).toHaveLength(10);
    expect(textOf(figure)).toContain(
      "10 % gone: 0, 25 % gone: 2.5 × 10⁻⁴, 50 % gone: 0.001, 75 % gone: 0.003, 90 % gone: 0.009",
    );
  });

  it("says how to repeat it", () => {
    expect(textOf(all(whole, "pre")[0]!)).toBe(config.repeat);
    const facts = classed(whole, "table", "facts").flatMap(rowsOf);
    expect(facts).toEqual(
      expect.arrayContaining([
        ["seed", "42"],
        ["SHA-256 of the model", "c0ffee"],
        ["machine", "linux x64, a processor"],
        ["node", "22.12.0"],
        ["written to", "small.onnx"],
        ["--learning-rate", "0.02"],
      ]),
    );
  });

  it("needs no network and no script", () => {
    const page = reportPage(config, smallRecords(), summary);
    expect(page.startsWith("<!doctype html>")).toBe(true);
    expect(page).toContain("\nsection > figure {");
    expect(page).not.toContain("undefined");
    expect(page.replaceAll(/xmlns="[^"]*"/g, "")).not.toMatch(/https?:|<script|<link|<img|@import|url\(/);
  });
});

describe("a run that is not finished", () => {
  const noticeOf = (records: readonly RunRecord[]): string =>
    textOf(classed(parse(reportPage(config, records)), "p", "notice")[0]!);
  const records = smallRecords();

  it("says so, and where it stands", () => {
    expect(noticeOf(records.slice(0, 2))).toBe("The run is not finished: nothing has been removed yet.");
    expect(noticeOf(records.slice(0, 5))).toBe("The run is not finished: it stands at removal 1, with 24 units left.");
    expect(noticeOf(records.slice(0, -2))).toBe("The run is not finished: it stands at step 2 of 3 of fine-tuning.");
  });

  it("compares what there is with what there was", () => {
    const page = parse(reportPage(config, records.slice(0, 4)));
    expect(rowsOf(classed(page, "table", "figures")[0]!)).toEqual(
      expect.arrayContaining([
        ["MACs", "400.00 k", "300.00 k", "0.750"],
        ["top-1", "94.0 % (92.4 to 95.3 %)", "–", "–"],
      ]),
    );
    const one = figureOf(page, "Importance of each layer's units");
    expect(rowsOf(all(one, "table")[0]!)[0]!.slice(0, 2)).toEqual(["layer", "median"]);
    expect(all(page, "h3").map(textOf)).not.toContain("Loss while fine-tuning");
  });

  it("begins with what is known before the first removal", () => {
    const page = parse(reportPage(config, records.slice(0, 2)));
    expect(textOf(classed(page, "p", "lead")[0]!)).toBe(
      "digits.onnx begins with 400.00 k multiply-accumulates, 40.00 k parameters, 160.00 k bytes, 30 units and a top-1 accuracy of 94.0 % (92.4 to 95.3 %).",
    );
  });

  it("may have told nothing at all", () => {
    const page = parse(reportPage(config, []));
    expect(textOf(classed(page, "p", "lead")[0]!)).toBe("Of digits.onnx nothing is known yet.");
    expect(all(page, "figure")).toEqual([]);
    expect(all(page, "pre").map(textOf)).toEqual([config.repeat]);
  });
});

describe("what is given from outside", () => {
  const names = [`</style><script>alert("1")</script>`, `a&b'"]]>\u0000\uD800<!--`] as const;
  const page = reportPage(
    {
      ...config,
      model: { path: "/nets/<b>.onnx", sha256: "<i>" },
      options: { criterion: "<em>", seed: { a: "<u>" } },
      repeat: "secateur <s>",
      versions: { "<q>": "</td>" },
    },
    smallRecords(names),
    { ...summary, output: "</table>" },
  );

  it("stays text, whatever it holds", () => {
    const parsed = parse(page);
    for (const tag of ["script", "b", "i", "em", "u", "s", "q"]) expect(all(parsed, tag), tag).toEqual([]);
    const [, first, second] = rowsOf(all(figureOf(parsed, "Width of each layer"), "table")[0]!);
    expect([first![0], second![0]]).toEqual([names[0], `a&b'"]]>\uFFFD\uFFFD<!--`]);
    expect(textOf(all(parsed, "pre")[0]!)).toBe("secateur <s>");
  });

  it("may be a run whose loss was not finite, which JSON writes as null", () => {
    const text = JSON.stringify([smallRecords(), summary]).replaceAll(
      /"(loss|top1|most|median)":[\d.e-]+/g,
      '"$1":null',
    );
    const [records, nulls] = JSON.parse(text) as [RunRecord[], PruneSummary];
    const parsed = parse(reportPage(config, records, nulls));
    expect(rowsOf(classed(parsed, "table", "figures")[0]!).at(-1)).toEqual([
      "top-5",
      "99.0 % (98.2 to 99.5 %)",
      "99.0 % (98.2 to 99.5 %)",
      "+0.0 points",
    ]);
    expect(all(parsed, "h3").map(textOf)).not.toContain("Loss while pruning");
    expect(page).not.toContain("NaN");
    expect(reportPage(config, records, nulls)).not.toMatch(/NaN|Infinity/);
  });
});

describe("scales", () => {
  it("of importance have a place for what is 0, negative or far too small", () => {
    const { at, ticks } = logScale([0, -3, 1e-30, 0.5, 5e-4])!;
    expect(ticks.map(({ text }) => text)).toEqual(["0", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]);
    expect([0, -3, 1e-30].map(at)).toEqual([0.02, 0.02, 0.02]);
    expect(at(1)).toBeCloseTo(1, 9);
    expect(at(1e-4)).toBeCloseTo(0.12, 9);
    expect(logScale([0, -1, Number.NaN])).toBeUndefined();
  });

  it("of a loss are powers of ten where it spans several", () => {
    const draw = (y: number, wide: boolean) =>
      parse(
        lineChart({
          title: "t",
          x: "x",
          y: "y",
          wide,
          series: [
            {
              name: "s",
              tone: "first",
              points: [
                [0, 1],
                [5, y],
              ],
            },
          ],
        })!.text,
      );
    const ticksOf = (y: number, wide: boolean): string[] =>
      all(draw(y, wide), "text")
        .map(textOf)
        .filter((text) => text.startsWith("10"));
    expect(ticksOf(5000, true)).toEqual(["10⁰", "10¹", "10²", "10³", "10⁴"]);
    expect(ticksOf(5000, false)).toEqual([]);
    expect(ticksOf(50, true)).toEqual(["10"]);
  });

  it("show a ratio that is nearly nothing", () => {
    const after = { ...summary.after, costs: { ...summary.after.costs, macs: 8 } };
    expect(reportPage(config, smallRecords(), { ...summary, after })).toContain("2.0 × 10⁻⁵");
  });

  it("show no ratio of losses, which may start at nothing", () => {
    const at = (loss: number) => ({ ...summary.before, evaluation: { ...summary.before.evaluation!, loss } });
    const rowOf = (before: number, after: number): string[] => {
      const page = parse(reportPage(config, smallRecords(), { ...summary, before: at(before), after: at(after) }));
      return rowsOf(classed(page, "table", "figures")[0]!).at(-1)!;
    };
    expect(rowOf(1e-9, 0.25)).toEqual(["loss", "1.00e-9", "0.2500", "+0.2500"]);
    expect(rowOf(0, 0.00034)).toEqual(["loss", "0.0000", "0.000340", "+0.000340"]);
  });
});

describe("many groups and many steps", () => {
  const names = Array.from(
    { length: 200 },
    (_, i) => `/features/features.${i}/block/conv/${"deep/".repeat(i % 20)}Conv.weight`,
  );
  const template = smallRecords();

  it("have a row for every group, with its whole name", () => {
    const records = template.map((record) => {
      if (record.kind === "start") return { ...record, groups: names.map((name) => ({ name, units: 10 })) };
      if (record.kind !== "removal") return record;
      return { ...record, groups: names.map((name) => ({ ...record.groups[0]!, name })) };
    });
    const parsed = parse(reportPage(config, records, summary));
    for (const title of ["Width of each layer", "Importance of each layer's units", "Sensitivity of each layer"])
      expect(
        all(figureOf(parsed, title), "tr")
          .slice(1)
          .map((row) => textOf(all(row, "th")[0]!)),
      ).toEqual(names);
  });

  it("make no large page of many steps, and lose no peak", () => {
    const step = template.find((record) => record.kind === "step")!;
    const steps = Array.from({ length: 50_000 }, (_, i) => ({
      ...step,
      phase: "finetune" as const,
      step: i + 1,
      loss: i === 31_234 ? 7 : 1 + Math.sin(i) / 4,
    }));
    expect(reportPage(config, [...template, ...steps], summary).length).toBeLessThan(60_000);
    const points = steps.map(({ step, loss }) => [step, loss] as const);
    expect(thin(points).length).toBeLessThanOrEqual(400);
    expect(thin(points)).toContainEqual([31_235, 7]);
    expect(thin(points.slice(0, 400))).toEqual(points.slice(0, 400));
  });

  it("are smoothed around their mean, from the first point on", () => {
    const points = Array.from({ length: 500 }, (_, i) => [i, i % 2] as const);
    const smoothed = smooth(points);
    expect(smoothed).toHaveLength(500);
    expect(smoothed.slice(100).every(([, y]) => Math.abs(y - 0.5) < 0.05)).toBe(true);
    const still = smooth(points.map(([x]) => [x, 3]));
    expect(still.every(([, y]) => Math.abs(y - 3) < 1e-9)).toBe(true);
  });
});
