/** The page of metrics follows from the table; `npm run docs` writes it. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { metrics } from "../../src/evaluate/metrics/table.ts";
import { metricSettings } from "../../src/options/metric.ts";

const path = join(import.meta.dirname, "../../docs/metrics.md");

const settings = (name: keyof typeof metricSettings): string =>
  Object.entries(metricSettings[name])
    .map(([key, { description }]) => `  - \`${key}\`: ${description}`)
    .join("\n");

const page = `# Metrics

\`--metric\` says what counts in \`eval\`, \`compare\`, \`prune\`, \`train\` and \`finetune\`, and what \`--max-drop\` is measured
by. It takes one of these names, a measure that every evaluation has (\`top1\`, \`top5\`, \`agreement\`, \`loss\`), or a
module with [a metric of your own](guide/metric.md). Made from the table in \`src/evaluate/metrics/\` by \`npm run docs\`.

\`\`\`sh
npx secateur eval segmenter.onnx --data npz:shapes.npz --metric mean-iou
npx secateur compare unet.onnx small.onnx --data npz:cells.npz --metric masks=dice,target=cells --max-drop 1
npx secateur eval detector.onnx --data module:boxes.mjs --metric map,form=centre,overlap=0.5
\`\`\`

- \`OUTPUT=METRIC\` looks at an output by name; without it, at the first. The target is that of the same name, else the
  only one there is. \`METRIC,target=NAME\` takes another. Other settings follow in the same way, with commas.
- In the library, \`metric\` takes a name, or an object: \`{ kind: "mean-iou", output: "masks", ignore: 255 }\`.
- Metrics that are shares are shown in percent, and \`--max-drop\` counts their percentage points. The others count in
  their own unit. Intervals are told only for counts of samples, which are \`top1\`, \`top5\`, and \`agreement\` of classifiers.
- Outputs are taken as the file has them. \`eval\` and \`compare\` leave out a loss that nobody has asked for and that does
  not fit the targets, and say so.

| metric | what it is | better | shown |
| --- | --- | --- | --- |
${metrics.map(({ name, summary, better, share }) => `| [\`${name}\`](#${name}) | ${summary} | ${better} | ${share ? "in percent" : "as it is"} |`).join("\n")}

${metrics
  .map(
    ({ name, equation, takes, source }) => `## ${name}

- **is** ${equation}
- **takes** ${takes}
- **source**: ${source}
- settings:
${settings(name)}
`,
  )
  .join("\n")}
## Without labels

\`compare\`, and \`prune --targets teacher\`, say for each output what is kept of the original's:

- **classes** (the output ends in a Softmax, or its loss is of classes): at how many places the largest is the same.
- **yes and no** (it ends in a Sigmoid, or its loss is of yes and no): how many of all numbers are on the same side of a
  half.
- **whole numbers**: how many are the same.
- **numbers**: how far they are apart, as the root of the mean squared difference in standard deviations of all numbers
  of the original. Of images, [N, 1 or 3, H, W], also the PSNR; of vectors, [N, C] or of length 1, the mean cosine.

An output is what \`--loss\` takes it for, where that is given. So \`compare --loss cross-entropy\` tells of the logits of a
segmenter at how many pixels the class is the same.

\`agreement\`, which \`--max-drop\` counts where there are no labels, is one number. Of a classifier it is the share of
samples with the same class. Of other models it is the least of all outputs: the share of decisions that are kept, or of
numbers 1 - apart², at least 0. Where more than half of an output's decisions are one and the same, as that there is no
object, places at which both models say so do not count. A detector that finds nothing any more keeps 99 % of its
decisions; its agreement is 0.

The distance that stands beside it is the divergence of a classifier, and of other models the loss that fits their
outputs, with the original's for targets: Kullback and Leibler's divergence for classes and for yes and no, and the
squared distance in units of the variance for numbers.
`;

it("docs/metrics.md is up to date", () => {
  if (process.env["SECATEUR_UPDATE"] !== undefined) writeFileSync(path, page);
  const flat = (text: string): string => text.replaceAll(/[\s|-]+/g, " ").trim();
  // The formatter wraps prose and pads tables.
  expect(flat(readFileSync(path, "utf8")), "run npm run docs").toBe(flat(page));
});
