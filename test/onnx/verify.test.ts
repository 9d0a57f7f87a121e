/** The order of nodes and the names of values. */

import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { sortNodes } from "../../src/graph/sort.ts";
import { float32 } from "../../src/graph/tensor.ts";
import { verify } from "../../src/graph/verify.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { graphOf, modelOf, node, value } from "./support.ts";

const x = value("x");
const branch = (...nodes: Graph["nodes"]): Graph => graphOf({ nodes, outputs: [value("o")] });
const conditional = (body: Graph) => node("If", ["c"], ["y"], { then_branch: { type: "graph", value: body } });

describe("sortNodes", () => {
  test("brings nodes into order and leaves those in order where they are", () => {
    const nodes = [
      node("Relu", ["b"], ["y"]),
      node("Neg", ["x"], ["a"]),
      node("Abs", ["x"], ["b"]),
      node("Exp", ["a"], ["z"]),
    ];
    const sorted = sortNodes(graphOf({ inputs: [x], outputs: [value("y")], nodes }));
    expect(sorted.nodes.map(({ op }) => op)).toEqual(["Abs", "Relu", "Neg", "Exp"]);
    expect(sortNodes(sorted).nodes).toEqual(sorted.nodes);
  });

  test("heeds what bodies capture, and sorts within them", () => {
    const body = branch(node("Neg", ["late2"], ["o"]), node("Exp", ["late"], ["late2"]));
    const sorted = sortNodes(
      graphOf({
        inputs: [x, value("c")],
        outputs: [value("y")],
        nodes: [conditional(body), node("Abs", ["x"], ["late"])],
      }),
    );
    expect(sorted.nodes.map(({ op }) => op)).toEqual(["Abs", "If"]);
    expect(() => verify(sorted)).not.toThrow();
  });

  test("names a node on a cycle", () => {
    const nodes = [node("Relu", ["x"], ["s"]), node("Add", ["s", "b"], ["a"]), node("Neg", ["a"], ["b"])];
    expect(() => sortNodes(graphOf({ inputs: [x], outputs: [value("b")], nodes }))).toThrow(
      /cycle: Neg -> b reads "a"/,
    );
  });

  test("does not recurse along the graph", () => {
    const length = 100_000;
    const nodes = Array.from({ length }, (_, i) => node("Relu", [i === 0 ? "x" : `v${i - 1}`], [`v${i}`])).reverse();
    const sorted = sortNodes(graphOf({ inputs: [x], outputs: [value(`v${length - 1}`)], nodes }));
    expect(sorted.nodes[0]!.inputs).toEqual(["x"]);
    expect(() => verify(sorted)).not.toThrow();
  });

  test("is part of loading", () => {
    const nodes = [node("Relu", ["a"], ["y"]), node("Neg", ["x"], ["a"])];
    const model = loadModel(encodeModel(modelOf(23, { inputs: [x], outputs: [value("y")], nodes })));
    expect(model.graph.nodes.map(({ op }) => op)).toEqual(["Neg", "Relu"]);
  });
});

describe("verify", () => {
  const relu = node("Relu", ["x"], ["y"]);
  const cases: readonly [string, Parameters<typeof graphOf>[0], RegExp][] = [
    [
      "a value that nothing produces",
      { nodes: [node("Add", ["x", "w"], ["y"])], outputs: [value("y")] },
      /Add -> y reads "w", which no input, initializer or node produces/,
    ],
    [
      "a value read too early",
      { nodes: [node("Neg", ["y"], ["z"]), relu], outputs: [value("z")] },
      /Neg -> z reads "y" before it is produced/,
    ],
    [
      "two producers",
      { nodes: [relu, node("Neg", ["x"], ["y"])], outputs: [value("y")] },
      /Neg -> y defines "y", which is defined already/,
    ],
    [
      "a node that produces an initializer",
      { nodes: [relu], outputs: [value("y")], initializers: new Map([["y", float32([], [1])]]) },
      /Relu -> y defines "y"/,
    ],
    ["an output of nothing", { nodes: [relu], outputs: [value("q")] }, /the output "q" is produced by nothing/],
    ["an output twice", { nodes: [relu], outputs: [value("y"), value("y")] }, /"y" is listed twice as an output/],
    [
      "a body that captures nothing",
      {
        nodes: [conditional(branch(node("Neg", ["q"], ["o"])))],
        outputs: [value("y")],
        inputs: [value("c")],
      },
      /Neg -> o in a body of If -> y reads "q"/,
    ],
  ];
  test.each(cases)("refuses %s", (_, parts, message) => {
    expect(() => verify(graphOf({ inputs: [x], ...parts }))).toThrow(message);
  });

  test("lists five problems and counts the others", () => {
    const nodes = Array.from({ length: 7 }, (_, i) => node("Neg", [`q${i}`], [`y${i}`]));
    expect(() => verify(graphOf({ nodes, outputs: [value("y0")] }))).toThrow(/"q0".*"q4"[^"]*; and 2 more$/);
  });

  test("branches may use the same names, and a body what stands before its node", () => {
    const body = branch(node("Neg", ["a"], ["o"]));
    const both = node("If", ["c"], ["y"], {
      then_branch: { type: "graph", value: body },
      else_branch: { type: "graph", value: body },
    });
    expect(() =>
      verify(
        graphOf({
          inputs: [x, value("c")],
          nodes: [node("Relu", ["x"], ["a"]), both],
          outputs: [value("y")],
        }),
      ),
    ).not.toThrow();
  });
});
