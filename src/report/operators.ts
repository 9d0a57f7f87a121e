/** What is known of every operator, as a page. */

import type { Op } from "../ops/define.ts";
import { ops } from "../ops/table.ts";

const gradients: Readonly<Record<NonNullable<Op["gradient"]>, string>> = {
  rule: "yes",
  decompose: "through its steps",
  stop: "none flows",
};

/** A Markdown page of all operators in the table: whether gradients flow and axes can be cut. */
export function operatorsPage(): string {
  const rows = [...ops.values()].map((op) => [
    `[${op.name}](https://onnx.ai/onnx/operators/onnx__${op.name}.html)`,
    String(op.since),
    op.gradient === undefined ? "**refused**" : gradients[op.gradient],
    op.hasChannels ? "yes" : "frozen",
    String(op.samples.length),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    "# Operators",
    "",
    `The ${rows.length} operators of the ONNX standard that are known; any other freezes what it touches, and \`secateur inspect\` names its node.`,
    "Made from the operator table by `npm run docs`.",
    "",
    "- **since**: the opset in which the operator last changed; models of opset 7 to 23 are upgraded to these forms.",
    "- **gradient**: a refused one ends differentiation with an error that names the node.",
    "- **cut**: `frozen` means that the axes of what it reads and writes stay whole. Single axes and attributes can be frozen or refused beside that.",
    "- **samples**: cases on which shape, gradient and cut are checked against onnxruntime and finite differences.",
    "",
    line(["operator", "since", "gradient", "cut", "samples"]),
    line(["---", "---", "---", "---", "---"]),
    ...rows.map(line),
    "",
  ].join("\n");
}
