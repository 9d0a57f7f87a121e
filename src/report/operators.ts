/** What is known of every operator, as a page. */

import type { Op } from "../ops/core/define.ts";
import { ops } from "../ops/table.ts";

const gradients: Readonly<Record<NonNullable<Op["gradient"]>, string>> = {
  rule: "yes",
  decompose: "through its steps",
  stop: "none flows",
};

/** Where an operator is specified. */
const pageOf = ({ name, domain }: Op): string =>
  domain === ""
    ? `https://onnx.ai/onnx/operators/onnx__${name}.html`
    : `https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#${domain}.${name}`;

/** A Markdown page of all operators in the table: whether gradients flow and axes can be cut. */
export function operatorsPage(): string {
  const rows = [...ops.values()].map((op) => [
    `[${op.key}](${pageOf(op)})`,
    String(op.since),
    op.gradient === undefined ? "**refused**" : gradients[op.gradient],
    op.hasChannels ? "yes" : "frozen",
    String(op.samples.length),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    "# Operators",
    "",
    `The ${rows.length} operators that are known: those of the ONNX standard, and those that onnxruntime's ` +
      "optimiser writes. Any other freezes what it touches, and `secateur inspect` names its node.",
    "Made from the operator table by `npm run docs`.",
    "",
    "- **since**: the opset in which the operator last changed; models of opset 7 to 26 are brought to these forms.",
    "- **gradient**: a refused one ends differentiation with an error that names the node.",
    "- **cut**: `frozen` means that the axes of what it reads and writes stay whole. " +
      "Single axes and attributes can be frozen or refused beside that.",
    "- **samples**: cases on which shape, gradient and cut are checked against onnxruntime and finite differences.",
    "",
    line(["operator", "since", "gradient", "cut", "samples"]),
    line(["---", "---", "---", "---", "---"]),
    ...rows.map(line),
    "",
  ].join("\n");
}
