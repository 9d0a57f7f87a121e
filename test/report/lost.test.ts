/** What a run's record, summary and page tell of machines that were lost while several learned. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { describeLost, lostIn } from "../../src/report/lost.ts";
import { reportPage } from "../../src/report/report.ts";
import { createRun, readRecords } from "../../src/report/run-node.ts";
import type { LostEvent } from "../../src/train/events.ts";
import { config, smallRecords } from "./small-run.ts";

const folder = mkdtempSync(join(tmpdir(), "secateur-lost-"));
afterAll(() => rmSync(folder, { recursive: true }));

const lost: LostEvent = {
  kind: "lost",
  machine: 2,
  machines: 4,
  step: 11,
  minibatches: 10,
  samples: 1280,
  reason: "the cable was pulled",
};

it("a line for each, and the number of them in the summary", async () => {
  const dir = join(folder, "run");
  {
    await using run = await createRun(dir, config, false);
    run.tell(lost);
    run.tell({ ...lost, machine: 3, samples: 640 });
    await run.finish({ output: "small.onnx" });
  }
  expect(readRecords(dir)).toMatchObject([lost, { ...lost, machine: 3, samples: 640 }]);
  expect(JSON.parse(readFileSync(join(dir, "summary.json"), "utf8"))).toEqual({
    output: "small.onnx",
    lost: { times: 2, samples: 1920 },
  });
});

it("a sentence on the page, where there is one to tell", () => {
  const records = [...smallRecords(), { ...lost, time: "2026-01-02T03:04:06.000Z" }];
  expect(reportPage(config, records)).toContain("A machine was lost once on the way: 1,280 samples were not seen.");
  expect(reportPage(config, smallRecords())).not.toContain("A machine was lost");
  expect(lostIn(smallRecords())).toBeUndefined();
});

it("a line on the terminal", () => {
  expect(describeLost(lost)).toBe(
    "machine 2 of 4 was lost (the cable was pulled): 1,280 samples of this interval, in 10 minibatches, " +
      "are not learned from",
  );
});
