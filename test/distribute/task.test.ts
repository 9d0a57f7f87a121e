/** Tasks from elsewhere are data: what is no task is refused, and nothing of it is run or becomes a path. */

import { describe, expect, it } from "vitest";
import { canonical, checkTask, keyOf, taskOf } from "../../src/distribute/task.ts";
import { version } from "../../src/graph/version.ts";
import { taskKinds } from "../../src/queue/tasks/table.ts";

const digest = "a".repeat(64);
const options = {
  shard: { index: 1, of: 2 },
  data: { name: "drawn", size: 48, classes: 5 },
  drawn: 4,
  measure: {
    criterion: "taylor-fo",
    gates: "after-bn",
    targets: "labels",
    loss: "cross-entropy",
    batchSize: 4,
    batches: 8,
    seed: 3,
    device: "cpu",
  },
} as const;
const good = taskOf("score-part", options, { model: digest, "batch/0": digest });
/** A job as it comes out of JSON, with something else in it. */
const other = (path: string, value: unknown): unknown => {
  const task = structuredClone(good) as unknown as Record<string, never>;
  const names = path.split(".");
  let at = task;
  for (const name of names.slice(0, -1)) at = at[name]!;
  Object.assign(at, { [names.at(-1)!]: value });
  return task;
};

describe("a task", () => {
  it("is taken with its kind and its options", () => {
    const { task, kind, label } = checkTask(JSON.parse(JSON.stringify(good)), taskKinds);
    expect(task).toEqual(good);
    expect(kind.name).toBe("score-part");
    expect(label).toBe("shard 1/2");
  });

  it("has a key of what is in it, in whatever order", async () => {
    const { version, kind, options, blobs } = good;
    const turned = { blobs: Object.fromEntries(Object.entries(blobs).toReversed()), options, kind, version };
    expect(await keyOf(turned)).toBe(await keyOf(good));
    const more = taskOf("score-part", { ...options, drawn: 5 }, blobs);
    expect(await keyOf(more)).not.toBe(await keyOf(good));
    expect(canonical({ b: [1, { d: null, c: undefined }], a: "x" })).toBe('{"a":"x","b":[1,{"d":null}]}');
  });
});

describe("a hostile job is refused:", () => {
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
  const cases: readonly [string, unknown, string][] = [
    ["nothing", undefined, "it holds a undefined"],
    ["a text", "rm -rf /", "no form of a task"],
    ["a list", [good], "no form of a task"],
    ["an unknown kind", other("kind", "shell"), '"shell" is no kind of task: there are score-part'],
    ["a kind of every object", other("kind", "constructor"), '"constructor" is no kind of task'],
    ["another version", other("version", "0.0.1"), `by Secateur "0.0.1", and this is ${version}`],
    ["a key too many", other("path", "/etc/passwd"), "no form of a task"],
    ["a path for a digest", other("blobs.model", "../../etc/passwd"), "no form of a task: blobs.model"],
    ["a digest in capitals", other("blobs.model", digest.toUpperCase()), "no form of a task"],
    ["a blob with a path for a name", { ...good, blobs: { ...good.blobs, "../x": digest } }, "no form of a task"],
    ["a prototype", JSON.parse(JSON.stringify(good).replace("{", '{"__proto__":{"x":1},')), 'the key "__proto__"'],
    [
      "a prototype within options",
      JSON.parse(JSON.stringify(good).replace('"drawn":', '"__proto__":{"drawn":1},"drawn":')),
      'the key "__proto__"',
    ],
    ["a constructor among blobs", other("blobs.constructor", digest), 'the key "constructor"'],
    ["a depth without end", other("options.deep", deep(50)), "deeper than 16 levels"],
    ["values without end", other("options.x", Array(300_000).fill(0)), "more than 200000 values"],
    ["a text without end", other("options.x", "x".repeat(2e6)), "a text that is too long"],
    ["a huge minibatch", other("options.measure.batchSize", 1e15), "options of a score-part are wrong"],
    ["minibatches without end", other("options.measure.batches", 1e12), "measure.batches"],
    ["directions without end", other("options.measure.probes", 1e9), "measure.probes"],
    ["no number", other("options.measure.seed", 0.5), "measure.seed"],
    ["a number that JSON lacks", { ...good, options: { ...options, drawn: Infinity } }, "not finite"],
    ["an option too many", other("options.measure.runtime", "x"), "options of a score-part are wrong"],
    ["a loss of a file", other("options.measure.loss", { kind: "file", file: "/etc/passwd" }), "wrong"],
    [
      "a loss of a file among others",
      other("options.measure.loss", [{ kind: "mse" }, { kind: "file", file: "/etc/passwd" }]),
      "wrong",
    ],
    ["a criterion of its own", other("options.measure.criterion", "../own.mjs"), "measure.criterion"],
  ];
  it.each(cases)("%s", (_, given, why) => {
    expect(() => checkTask(given, taskKinds)).toThrow(/^refused a job: /);
    expect(() => checkTask(given, taskKinds)).toThrow(why);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});
