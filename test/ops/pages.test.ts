/** The pages of operators and of what they say follow from the table; `npm run docs` writes them. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Op } from "../../src/ops/core/define.ts";
import { ops } from "../../src/ops/table.ts";

const root = join(import.meta.dirname, "../..");

function gradientOf({ gradient }: Op): string {
  if (gradient === "stop") return "none flows";
  if (gradient === "decompose") return "through its steps";
  return gradient ? "yes" : "**refused**";
}

/** Where an operator is specified. */
const specificationOf = ({ name, domain }: Op): string =>
  domain === ""
    ? `https://onnx.ai/onnx/operators/onnx__${name}.html`
    : `https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#${domain}.${name}`;

/** All operators in the table: whether gradients flow and axes can be cut. */
function operatorsPage(): string {
  const rows = [...ops.values()].map((op) => [
    `[${op.key}](${specificationOf(op)})`,
    String(op.since),
    gradientOf(op),
    op.channels ? "yes" : "frozen",
    String(op.samples.length),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return `# Operators

The ${rows.length} operators that are known: those of the ONNX standard, and those that onnxruntime's optimiser writes.
Any other freezes what it touches, and \`secateur inspect\` names its node.
Made from the operator table by \`npm run docs\`. [What an operator says](facets.md) is a page of its own.

- **since**: the opset in which the operator last changed; models of opset 7 to 26 are brought to these forms.
- **gradient**: a refused one ends differentiation with an error that names the node.
- **cut**: \`frozen\` means that the axes of what it reads and writes stay whole.
  Single axes and attributes can be frozen or refused beside that.
- **samples**: cases on which shape, gradient and cut are checked against onnxruntime and finite differences.

${[["operator", "since", "gradient", "cut", "samples"], Array(5).fill("---") as string[], ...rows].map(line).join("\n")}
`;
}

const source = readFileSync(join(root, "src/ops/core/facets.ts"), "utf8");

/** The members of an interface with their comments. */
function membersOf(name: string): { name: string; comment: string }[] {
  const start = source.indexOf(`export interface ${name}`);
  const body = source.slice(start, source.indexOf("\n}\n", start));
  return [...body.matchAll(/^ {2}\/\*\*(.*?)\*\/\n {2}readonly (\w+)\??:/gms)].map(([, comment = "", member = ""]) => ({
    name: member,
    comment: comment.replaceAll(/^ *\* ?/gm, "").trim(),
  }));
}

/** What an operator can say, in the words of the source. */
function facetsPage(): string {
  const list = (of: string): string =>
    membersOf(of)
      .map(({ name, comment }) => `### ${name}\n\n${comment}\n`)
      .join("\n");
  return `# What an operator says

All that is known of an operator is one object, written with \`defineOp\` in \`src/ops/families/\`. Engines ask it, and
know no operator's name. Only \`name\`, \`since\`, \`inputs\`, \`shape\` and \`samples\` have to be there: what an operator does
not say, it does not promise. Made from the comments in \`src/ops/core/facets.ts\` by \`npm run docs\`.

## Facts

${list("Facts")}
## Rules

A rule gets the inputs and attributes by name, and a \`Value\` has a name, an element type, a shape, and its elements
where they are known.

${list("Rules")}`;
}

it.each([
  ["docs/operators.md", operatorsPage],
  ["docs/facets.md", facetsPage],
])("%s is up to date", (name, pageOf) => {
  const page = pageOf();
  if (process.env["SECATEUR_UPDATE"] !== undefined) writeFileSync(join(root, name), page);
  expect(page, "run npm run docs").toBe(readFileSync(join(root, name), "utf8"));
});

it("every rule has a comment", () => {
  const stated = source.match(/^ {2}readonly \w+\??:/gm)!.length;
  const form = source.slice(source.indexOf("interface Form"), source.indexOf("export interface Facts"));
  const commented = membersOf("Facts").length + membersOf("Rules").length;
  expect(commented).toBe(stated - form.match(/^ {2}readonly \w+\??:/gm)!.length);
});
