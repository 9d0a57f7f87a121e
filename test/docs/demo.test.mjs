/** The README shows what the demo prints. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { compare, cut, load, openDataset, plan } from "../../dist/node.js";
import { table, widths } from "../../scripts/demo/show.mjs";
import { writeDigits } from "../cli/support.ts";
import { root } from "./support.ts";

/** What the README shows behind the command's line and the lines of progress. */
function shown() {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, block] = /^```text\n([^`]*█[^`]*)^```$/m.exec(readme);
  return block.slice(block.indexOf("\n\n") + 2).trimEnd();
}

/** A text without what another run of the demo may print otherwise: figures, signs and the room that they take. */
const shapeOf = (text) =>
  text
    .replaceAll(/█*░*█*░+|█+/g, "█")
    .replaceAll(/[-+]?\d[\d.,]*/g, "0")
    .replaceAll(/ +/g, " ");

it("the README shows the table and the widths as the demo prints them now", async () => {
  const folder = mkdtempSync(join(tmpdir(), "secateur-demo-"));
  try {
    writeDigits({ write: (name, content) => writeFileSync(join(folder, name), content) });
    const given = await load(join(root, "scripts/demo/digits.onnx"));
    const { removal } = await plan(given, { ratio: 0.5 });
    const { model } = await cut(given, removal, { prove: false });
    const data = await openDataset(`mnist:${folder}`, { split: "test" });
    const changes = await compare(given, model, { data, latency: { rounds: 6 }, threads: 1 });
    const [costs, bars] = [table(changes), widths(changes)];
    const text = shown();
    expect(shapeOf(text).split("\n").slice(0, -2)).toEqual(shapeOf(`${costs}\n\n${bars}`).split("\n"));
    // What the net has before is no matter of the run.
    const was = (lines) => lines.split("\n").flatMap((line) => / of \d+$| \d[\d,]{5,}(?= )/.exec(line)?.[0] ?? []);
    expect(was(text)).toEqual(was(`${costs}\n\n${bars}`));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
