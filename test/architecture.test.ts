/** The shape of the source: who may import whom, where operators are named, how long files are, and what every operator states. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { opNames } from "../src/ops/core/names.ts";
import { ops } from "../src/ops/table.ts";

const root = join(import.meta.dirname, "../src");
const slashed = (path: string) => path.replaceAll("\\", "/");
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .map(slashed)
  .filter((file) => file.endsWith(".ts"))
  .toSorted();
const text = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));

/** Every module that a source names: imports of values and of types, exports from others, and imports at run time. */
function specifiersOf(source: string): string[] {
  const pattern = /^\s*(?:import|export)\b[^;"']*?["']([^"'\n]+)["']|\bimport\(\s*["']([^"'\n]+)["']\s*\)/gm;
  return [...source.matchAll(pattern)].flatMap(([, fixed, dynamic]) => fixed ?? dynamic ?? []);
}

const withoutComments = (source: string): string => source.replaceAll(/\/\*\*.*?\*\/|\/\/.*$/gms, "");

interface Imports {
  readonly own: readonly string[];
  readonly foreign: readonly string[];
}

const imports = new Map<string, Imports>(
  [...text].map(([file, source]) => {
    const all = specifiersOf(source);
    const own = all
      .filter((name) => name.startsWith("."))
      .map((name) => slashed(relative(root, join(root, dirname(file), name))));
    return [file, { own, foreign: all.filter((name) => !name.startsWith(".")) }];
  }),
);

/** The layers in the order in which data flows: each may import those before it, unless {@link fewer} says less. */
const layers = [
  "graph",
  "onnx",
  "ops/core",
  "ops/gradients",
  "ops/families",
  "ops",
  "data",
  "runtime",
  "options",
  "passes",
  "autodiff",
  "prune/coupling",
  "prune/gates",
  "prune/cut",
  "prune/select",
  "prune/proof",
  "prune",
  "criteria",
  "objective",
  "execute",
  "evaluate",
  "train",
  "score",
  "distribute",
  "loop",
  "zoo",
  "jobs",
  "report",
  "queue/tasks",
  "queue",
  "serve",
  "index",
  "node",
  "graphs",
  "graphs-node",
  "cli",
];
/** Layers that stand for themselves, and what they import. */
const fewer: Readonly<Record<string, readonly string[]>> = {
  data: ["graph"],
  runtime: ["graph"],
  options: ["graph", "onnx", "data", "runtime"],
  zoo: ["graph", "ops", "ops/core", "onnx"],
};
/** What each layer may import besides itself. */
const allowed = Object.fromEntries(layers.map((layer, i) => [layer, fewer[layer] ?? layers.slice(0, i)]));

/** The layer of a file: a folder, one within it, or a file of `src` itself. */
function layerOf(file: string): string {
  const [first, second] = file.replace(/\.ts$/, "").split("/");
  const within = `${first}/${second}`;
  return layers.includes(within) ? within : first!;
}

/** Node's own modules and packages that need them. */
const needsNode = (name: string): boolean =>
  /^(node:|(onnxruntime-node|sharp|tar|commander|piscina|bullmq|ioredis|pg|s3mini)$)/.test(name);
const isForNode = (file: string): boolean => /-node\.ts$|^node\.ts$|^cli\//.test(file);

describe("imports", () => {
  it("are found, and name files that exist", () => {
    const missing = [...imports].flatMap(([file, { own }]) =>
      own.filter((other) => !text.has(other)).map((other) => `${file} imports ${other}`),
    );
    expect(missing).toEqual([]);
    expect(imports.get("prune/cut/cut.ts")?.own).toContain("graph/tensor.ts");
    expect([...imports.values()].flatMap(({ own }) => own).length).toBeGreaterThan(150);
    expect(specifiersOf('export { a } from "./a.ts";\nimport "b";\nconst c = await import("./c.ts");')).toEqual([
      "./a.ts",
      "b",
      "./c.ts",
    ]);
  });

  it("go one way through the layers", () => {
    const wrong = [...imports].flatMap(([file, { own }]) => {
      const layer = layerOf(file);
      const may = allowed[layer];
      if (may === undefined) return [`${file} is in no known layer`];
      return own
        .filter((other) => layerOf(other) !== layer && !may.includes(layerOf(other)))
        .map((other) => `${file} imports ${other}`);
    });
    expect(wrong).toEqual([]);
  });

  it("of the page are those of the package's public entries alone", () => {
    const page = join(root, "../studio/src");
    const wrong = readdirSync(page, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.tsx?$/.test(file))
      .flatMap((file) =>
        specifiersOf(readFileSync(join(page, file), "utf8"))
          .filter((name) =>
            name.startsWith(".")
              ? !join(page, dirname(file), name).startsWith(page)
              : name.startsWith("secateur/") && name !== "secateur/graph",
          )
          .map((name) => `${file} imports ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it("the layers have no cycle", () => {
    const cycle = findCycle(new Map(Object.entries(allowed)));
    expect(cycle).toBeUndefined();
  });

  it("have no cycle between files, types included", () => {
    expect(findCycle(new Map([...imports].map(([file, { own }]) => [file, own])))).toBeUndefined();
    const ring = new Map([
      ["a", ["b"]],
      ["b", ["c"]],
      ["c", ["b"]],
    ]);
    expect(findCycle(ring)).toEqual(["b", "c", "b"]);
  });

  it("below the command line name options, and not flags", () => {
    // Command lines of others and of what comes next, a style sheet, and what makes flags of names.
    const others = new Set(["data/npm-node.ts", "report/next.ts", "report/style.ts", "report/charts.ts"]);
    others.add("report/figures.ts");
    const flagged = [...text].flatMap(([file, source]) =>
      layerOf(file) === "cli" || others.has(file)
        ? []
        : source
            .replaceAll(/\/\*\*.*?\*\//gs, "")
            .replaceAll(/secateur [^`"]*?--(?:json|resume)/g, "")
            .split("\n")
            .filter((line) => /(?:^|[\s"'`(])--[a-z]/.test(line.replaceAll(/- --\w/g, "")))
            .map((line) => `${file}: ${line.trim()}`),
    );
    expect(flagged).toEqual([]);
  });

  it("of what an analysis is made of stay below it: who asks for a part of it asks the analysis", () => {
    const makers = /\b(trace|couple|activations|linksOf|findGroups|costsOf)\(/;
    const within = /^(ops|passes|prune\/coupling)\//;
    const around = [...text].filter(([file, source]) => !within.test(file) && makers.test(withoutComments(source)));
    expect(around.map(([file]) => file)).toEqual([]);
    expect(makers.test(text.get("prune/coupling/analysis.ts")!)).toBe(true);
  });

  it("use Node only in files that say so by their name", () => {
    const wrong = [...imports].flatMap(([file, { own, foreign }]) =>
      isForNode(file)
        ? []
        : [...foreign.filter(needsNode), ...own.filter(isForNode)].map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it.each(["index.ts", "graphs.ts"])("reach nothing of Node from %s", (entry) => {
    const reached = new Set([entry]);
    for (const file of reached) for (const other of imports.get(file)!.own) reached.add(other);
    const wrong = [...reached].flatMap((file) =>
      imports
        .get(file)!
        .foreign.filter(needsNode)
        .map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
    expect(reached.size).toBeGreaterThan(1);
  });
});

/** A way from a node back to itself, if there is one. */
function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (at: string): string[] | undefined => {
    if (path.includes(at)) return [...path.slice(path.indexOf(at)), at];
    if (done.has(at)) return undefined;
    path.push(at);
    for (const next of edges.get(at) ?? []) {
      const found = visit(next);
      if (found) return found;
    }
    path.pop();
    done.add(at);
    return undefined;
  };
  for (const start of edges.keys()) {
    const found = visit(start);
    if (found) return found;
  }
  return undefined;
}

/** Files outside of ops, onnx and zoo that name operators in quotes, and why they may. */
const namesAllowed: Readonly<Record<string, { readonly names: readonly string[]; readonly reason: string }>> = {
  "passes/ask-sizes.ts": { names: ["Concat", "Mul", "Shape", "Squeeze"], reason: "asks the inputs for open sizes" },
  "passes/branches.ts": {
    names: ["Identity", "If"],
    reason: "matches a branch that is always taken, and writes what it hands through",
  },
  "passes/class-scores.ts": {
    names: [
      "Add",
      "AveragePool",
      "Cast",
      "Conv",
      "DequantizeLinear",
      "Dropout",
      "Flatten",
      "Gemm",
      "GlobalAveragePool",
      "Identity",
      "MatMul",
      "ReduceMean",
      "Relu",
      "Reshape",
      "Squeeze",
    ],
    reason: "matches the last layer of a classifier",
  },
  "passes/heads.ts": {
    names: ["Concat", "Flatten", "Identity", "Reshape", "Sigmoid", "Softmax", "Squeeze", "Transpose", "Unsqueeze"],
    reason: "matches a Softmax or Sigmoid at the end of a model",
  },
  "passes/normalise.ts": {
    names: ["Expand", "Reshape", "Resize"],
    reason: "matches the nodes that state open sizes",
  },
  "passes/open-candidates.ts": {
    names: ["Concat", "Mul", "Reshape", "Slice"],
    reason: "matches the nodes that state a batch size, and writes what computes it",
  },
  "passes/open-maker.ts": {
    names: ["Concat", "Expand", "Gather", "Reshape"],
    reason: "writes what spreads a value over the batch",
  },
  "passes/open-stage.ts": { names: ["Shape"], reason: "asks the input for the batch size" },
  "passes/own-names.ts": { names: ["Identity"], reason: "matches what gives an output its name" },
  "passes/pick-slices.ts": {
    names: ["Concat", "Gather"],
    reason: "matches a part that is joined and picked out again",
  },
  "passes/plain-views.ts": { names: ["Gather", "Reshape", "Transpose"], reason: "matches a view by strides" },
  "passes/stable-logs.ts": {
    names: ["Log", "LogSoftmax", "Neg", "Sigmoid", "Softmax", "Softplus"],
    reason: "matches the logarithm of a probability, and writes it in a form that does not underflow",
  },
  "prune/cut/computed-sizes.ts": {
    names: ["Add", "Concat", "Div", "Mul"],
    reason: "matches sizes that are joined of several, and writes what is left of computed sizes",
  },
  "prune/cut/mask.ts": {
    names: ["And", "BitwiseAnd", "Concat", "Div", "Expand", "Reshape", "Shape", "Where"],
    reason: "writes the nodes that zero a unit, and the line of zeros along an open axis",
  },
  "execute/executable.ts": {
    names: ["Gemm", "MatMul", "Transpose"],
    reason: "matches what the runtime's optimiser makes one",
  },
};

describe("operators", () => {
  it("are named only by the table, by the file format, and by passes that match one stated pattern", () => {
    const found = Object.fromEntries(
      files
        .filter((file) => !/^(ops|onnx|zoo)\//.test(file))
        .map((file) => [file, opNames.filter((name) => text.get(file)!.includes(`"${name}"`)).toSorted()] as const)
        .filter(([, names]) => names.length > 0),
    );
    const listed = Object.fromEntries(Object.entries(namesAllowed).map(([file, { names }]) => [file, names]));
    expect(found).toEqual(listed);
  });

  it("have samples", () => {
    expect([...ops.values()].filter((op) => op.samples.length === 0).map((op) => op.name)).toEqual([]);
  });

  /** Operators through which nothing can be learned yet: a model that needs it is refused by name. */
  const withoutGradient: readonly string[] = [];
  it("have a gradient, or say that none flows", () => {
    const lacking = [...ops.values()].filter((op) => op.gradient === undefined).map((op) => op.name);
    expect(lacking).toEqual(withoutGradient);
  });

  /** Operators that count what they see or number positions, and losses: all their axes stay whole. */
  const withoutChannels: readonly string[] = [
    "EyeLike",
    "MaxUnpool",
    "NegativeLogLikelihoodLoss",
    "NonZero",
    "Range",
    "Size",
    "SoftmaxCrossEntropyLoss",
  ];
  it("say how their axes couple, or stay whole on purpose", () => {
    const lacking = [...ops.values()].filter((op) => !op.channels).map((op) => op.name);
    expect(lacking).toEqual(withoutChannels);
  });

  it("name the page of the specification that they follow", () => {
    const sources = files
      .filter((file) => file.startsWith("ops/"))
      .map((file) => text.get(file)!)
      .join("\n");
    const contributed = "onnxruntime/blob/main/docs/ContribOperators.md#";
    const lacking = [...ops.keys()].filter((key) => {
      const pages = [`onnx.ai/onnx/operators/onnx__${key}.html`, `${contributed}${key} `, `${contributed}${key}\n`];
      return !pages.some((page) => sources.includes(page));
    });
    expect(lacking).toEqual([]);
  });
});

describe("files", () => {
  // What a generator wrote has the form that the generator gives it.
  const own = files.filter((file) => !file.startsWith("onnx/schema/"));

  it("have at most 350 lines, unless CONTRIBUTING says why", () => {
    const reasons = readFileSync(join(root, "../CONTRIBUTING.md"), "utf8");
    const long = own.map((file) => [file, text.get(file)!.split("\n").length - 1] as const);
    const wrong = long.filter(([file, lines]) => lines > 350 && !reasons.includes(`src/${file}`));
    expect(wrong).toEqual([]);
  });

  it("have no line over 120 columns, but for addresses and data that a script writes", () => {
    const written = new Set(["onnx/history.ts", "data/imagenet.ts"]);
    const wide = own
      .filter((file) => !written.has(file))
      .flatMap((file) =>
        text
          .get(file)!
          .split("\n")
          .flatMap((line, i) => (line.length > 120 && !/^ *\* https:\S+$/.test(line) ? [`${file}:${i + 1}`] : [])),
      );
    expect(wide).toEqual([]);
  });

  it("are there where a comment names them", () => {
    const comment = /^ *(?:\/\*\*|\*|\/\/) .*$|\/\/ .*$/gm;
    const gone = own.flatMap((file) =>
      (text.get(file)!.match(comment) ?? [])
        .filter((line) => !line.includes("https:"))
        .flatMap((line) => line.match(/[\w./-]+\.ts\b/g) ?? [])
        .filter((name) => !files.some((other) => `/${other}`.endsWith(`/${name}`)))
        .map((name) => `${file} names ${name}`),
    );
    expect(gone).toEqual([]);
  });

  it("start with a sentence that says what they are", () => {
    expect(own.filter((file) => !/^(#!.*\n)?\/\*\*/.test(text.get(file)!))).toEqual([]);
  });

  it("are named in kebab case", () => {
    expect(own.filter((file) => !/^([a-z0-9-]+\/)*[a-z0-9-]+\.ts$/.test(file))).toEqual([]);
  });
});
