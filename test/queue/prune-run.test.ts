/** The task to prune: what it takes, what travels of a run, and that no record has a password. */

import { afterAll, describe, expect, it } from "vitest";
import { configOf } from "../../src/cli/run.ts";
import { createContext } from "../../src/cli/context.ts";
import { runsOf } from "../../src/cli/sweep/grid.ts";
import { refuseWhatStays } from "../../src/cli/sweep/on-queue.ts";
import { checkTask, taskOf } from "../../src/distribute/task.ts";
import { decodeTold, encodeTold } from "../../src/queue/tasks/told.ts";
import { taskKinds } from "../../src/queue/tasks/table.ts";
import { openWorkshop } from "../cli/support.ts";

const workshop = openWorkshop();
afterAll(() => workshop.remove());

const data = { name: "drawn", size: 8, each: 8, shape: [1, 2, 2] };
const check = (prune: object, more: object = {}) =>
  checkTask(taskOf("prune-run", { name: "1", prune, data, ...more }, {}), taskKinds);

describe("the task to prune", () => {
  it("takes the options of prune", () => {
    const limits = { keep: ["a.*"], minUnits: 2, ratios: [["b", 0.5]] };
    const { label } = check({ budget: { macs: 0.5 }, criterion: "magnitude", limits, loss: "bce", seed: 3 });
    expect(label).toBe("run 1");
  });

  it.each([
    [{ epochs: -1 }, "epochs"],
    [{ nothing: 1 }, "nothing"],
    [{ criterion: "best" }, "criterion"],
    [{ loss: { kind: "file", file: "/etc/passwd" } }, "loss"],
    [{ data: "mnist:/" }, "data"],
    [{ limits: { ratios: [["a", 2]] } }, "limits.ratios"],
  ])("refuses %j", (prune, name) => {
    expect(() => check(prune)).toThrow(new RegExp(`refused a job: the options of a prune-run are wrong: .*${name}`));
  });

  it("refuses data that cannot be", () => {
    expect(() => check({}, { data: { ...data, size: 0 } })).toThrow("data.size");
    expect(() => check({}, { data: { ...data, path: "/etc" } })).toThrow("path");
  });
});

describe("what is told", () => {
  it("comes back as it was, with Maps and numbers without a bound", () => {
    const told = {
      removed: new Map([["a", [1, 2]]]),
      importances: new Map([["a", Float64Array.of(0.1, Number.POSITIVE_INFINITY, -0.5)]]),
      loss: Number.NaN,
      text: "$",
      none: null,
    };
    expect(decodeTold(encodeTold(told))).toEqual(told);
  });
});

describe("a run that workers are to do", () => {
  it.each([
    [
      { data: ["module:mine.mjs"] },
      "--data module:mine.mjs is code of yours, which does not travel: write its samples",
    ],
    [{ data: ["mnist:x"], metric: ["f1.mjs"] }, "--metric f1.mjs is code of yours, which does not travel"],
    [{ data: ["mnist:x"], loss: ["file:loss.onnx"] }, "a --loss of a file does not travel: name a loss"],
  ])("is refused with %j", (flags, message) => {
    expect(() => refuseWhatStays(runsOf({ macs: ["0.5"], ...flags }, [{}]))).toThrow(message);
  });
});

describe("the record of a run", () => {
  it("has the address of a queue without its password", async () => {
    const address = "rediss://user:s3same@host:6379";
    const words = ["prune", "--queue", address, `--queue=${address}`, "-o", "small.onnx"];
    const context = createContext("1.0.0", new AbortController().signal);
    const config = await configOf("prune", workshop.write("a.onnx", ""), "x.run", { queue: address }, words, context);
    expect(JSON.stringify(config)).not.toContain("s3same");
    expect(config.repeat).toContain("user:***@host:6379");
    expect(config.options["queue"]).toBe(true);
  });
});
