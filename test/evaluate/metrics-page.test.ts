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

\`--metric\` says what \`eval\`, \`compare\`, \`prune\`, \`train\` and \`finetune\` measure models by, and what \`--max-drop\`
counts. It takes a name from the table below, \`top1\`, \`top5\`, \`agreement\` or \`loss\`, or a module with
[a metric of your own](guide/metric.md). Made from the table in \`src/evaluate/metrics/\` by \`npm run docs\`.

\`\`\`sh
npx secateur eval segmenter.onnx --data npz:shapes.npz --metric mean-iou
npx secateur compare unet.onnx small.onnx --data npz:cells.npz --metric masks=dice,target=cells --max-drop 1
npx secateur eval detector.onnx --data module:boxes.mjs --metric map,form=centre,overlap=0.5
\`\`\`

- \`OUTPUT=METRIC\` measures an output by name; without it the first is measured. Its target is the one without a name,
  else that of the output's name, else the only one. \`METRIC,target=NAME\` takes another. Other settings follow in the
  same way, with commas.
- In the library, \`metric\` takes a name, or an object: \`{ kind: "mean-iou", output: "masks", ignore: 255 }\`.
- Shares are shown in percent, and \`--max-drop\` counts their percentage points. Other metrics count in their own unit.
- Three count samples, and are shown with a 95 % interval: \`top1\`, \`top5\`, and \`agreement\` of classifiers. The first
  two need labels, one class for each sample.
- Outputs are taken as the file has them: probabilities where it ends in a Softmax or Sigmoid.
- With a metric, \`eval\` and \`compare\` leave out the default loss where it does not fit the targets, and say so.

| metric | what it is | better | shown |
| --- | --- | --- | --- |
${metrics.map(({ name, summary, better, share }) => `| [\`${name}\`](#${name}) | ${summary} | ${better} | ${share ? "in percent" : "as a number"} |`).join("\n")}

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

\`\`\`text
over 12 samples: agreement 99.86 %; what is kept of each output of the first model:
  scores: 99.93 % of 1,536 yes/no decisions kept; of the 767 that are no, 767 kept
  boxes: numbers differ by 3.75 % of their standard deviation
\`\`\`

| an output that                                              | is compared by                                           |
| ----------------------------------------------------------- | -------------------------------------------------------- |
| ends in a Softmax, or has a loss of classes                 | the share of places whose class is the same              |
| ends in a Sigmoid, or has a loss of yes or no               | the share of numbers whose probability is on the same side of a half |
| holds whole numbers                                         | the share that is the same                               |
| holds other numbers                                         | the root of the mean squared difference, over the standard deviation of the original's numbers |
| of these is images [N, 1 or 3, H, W]                        | the PSNR as well                                         |
| of these is vectors, [N, C] or of length 1                  | the mean cosine as well                                  |

A decision is the class of a place, a yes or no, or a whole number. \`--loss\` says what an output is where its end does
not: with \`compare --loss cross-entropy\` the logits of a segmenter are compared by the class of each pixel.

**\`agreement\`** is one number, which \`--max-drop\` counts where there are no labels. For a classifier it is the share of
samples with the same class. For other models each output has one, and the least counts: the share of decisions kept, or
of numbers 1 - d², at least 0, where d is the figure of the table.

A detector that finds nothing any more still keeps 99 % of its decisions, since nearly all of them are no. So where more
than half of an output's decisions are the same one, places where both models decide so do not count. The agreement of
that detector is 0. What is printed last in the line of an output is the rest: decisions other than the most common one,
and how many of them are kept.

**\`divergence\`**, beside it, is what learning without labels minimises: Kullback and Leibler's divergence for classes
and for yes or no, and the squared difference over the variance for numbers, summed over the outputs.
`;

it("docs/metrics.md is up to date", () => {
  if (process.env["SECATEUR_UPDATE"] !== undefined) writeFileSync(path, page);
  const flat = (text: string): string => text.replaceAll(/[\s|-]+/g, " ").trim();
  // The formatter wraps prose and pads tables.
  expect(flat(readFileSync(path, "utf8")), "run npm run docs").toBe(flat(page));
});
