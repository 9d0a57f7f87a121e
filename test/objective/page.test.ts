/** The page of losses follows from their table; `npm run docs` writes it. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { losses } from "../../src/objective/losses/table.ts";
import type { LossDefinition } from "../../src/objective/losses/loss.ts";
import { helpOf } from "../../src/options/kinds.ts";
import { settingsOf } from "../../src/options/loss.ts";

const root = join(import.meta.dirname, "../..");

/** Lines of at most 120 columns. */
function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= 120) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}

const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

function settingsPart(name: LossDefinition["name"]): string {
  const rows = Object.entries(settingsOf[name]).map(([key, kind]) => `- \`${key}\`: ${helpOf(kind)}`);
  return rows.length === 0 ? "" : `\n${rows.join("\n")}\n`;
}

const drawn: Readonly<Record<LossDefinition["distribution"], string>> = {
  categorical: "one class at each place",
  bernoulli: "yes or no for each number",
  gaussian: "a number around each number",
};

const part = ({ name, summary, equation, details, takes, source }: LossDefinition): string => `
## ${name}

${wrapped(sentence(summary))}

\`\`\`text
${equation}
\`\`\`
${details ? `\n${wrapped(details)}\n` : ""}
${wrapped(`It takes ${takes}.`)}
${settingsPart(name)}
${wrapped(`Source: ${source}.`)}
`;

const intro =
  "`--loss` says what is minimised, and what importance is measured by. It may be repeated, for several outputs or " +
  "several losses on one. How each finds its target stands in [data.md](data.md#targets-by-name). A loss that is not " +
  "here can be [a file of your own](guide/your-own-loss.md). Made from `src/objective/losses/table.ts` by " +
  "`npm run docs`.";

const examples = [
  "--loss bce                                    on the first output",
  "--loss scores=bce --loss boxes=l1:0.5         on outputs by name, the second at half its weight",
  "--loss cross-entropy,class-weights=1+0.5+2    with a setting, classWeights in the library",
].join("\n");

const auto =
  "`auto`, the default, learns from labels by cross-entropy on the first output of floats, or by bce where that ends " +
  "in a Sigmoid. [Without labels](guide/detector.md) every output has the loss that fits it.";

const letters =
  "Each loss gives E_n, a number for each sample n of a minibatch. Their mean is minimised; of several losses it is " +
  "the sum of the means, each times its weight. y is the output, t the target, and σ the logistic function. A place is " +
  "a pixel, a step or a token: one for each index of the axes behind the first, but that of the classes.";

const ends =
  "Some losses apply a Softmax or Sigmoid themselves. Where the model's file ends in the same one, they take the logits " +
  "before it. With `--targets teacher` an output is compared with the original's: classes, and yes or no, by the " +
  "divergence of their probabilities, numbers by the loss itself, and embeddings of info-nce by their cosine.";

const draws =
  "With `--targets sampled` targets are drawn from the model's own prediction. For cross-entropy, kl, next-token, bce, " +
  "mse, cosine, and huber where errors are below δ, the mean square of their gradients is the diagonal of the " +
  "Gauss-Newton matrix. The other losses draw as one of these does: ctc and dice of classes as cross-entropy, dice of " +
  "masks and focal as bce, l1 as mse, info-nce as cosine. Class weights and the weight of yes do not count there.";

const cells = ({ name, activation, distribution, mixes }: LossDefinition): string[] => [
  `[${name}](#${name})`,
  activation ?? "",
  drawn[distribution],
  mixes === false ? "no" : "yes",
];

function page(): string {
  const line = (row: readonly string[]): string => `| ${row.join(" | ")} |`;
  const head = ["loss", "applies itself", "`--targets sampled` draws", "mixup"];
  return `# Losses

${wrapped(intro)}

\`\`\`text
${examples}
\`\`\`

${wrapped(auto)}

${wrapped(letters)}

${wrapped(ends)}

${wrapped(draws)}

${[head, head.map(() => "---"), ...losses.map(cells)].map(line).join("\n")}
${losses.map(part).join("")}`;
}

it("docs/losses.md is up to date", () => {
  const path = join(root, "docs/losses.md");
  if (process.env["SECATEUR_UPDATE"] !== undefined) writeFileSync(path, page());
  expect(page(), "run npm run docs").toBe(readFileSync(path, "utf8"));
});

it("every setting of a loss is explained", () => {
  const all = Object.entries(settingsOf).flatMap(([name, kinds]) =>
    Object.entries(kinds).map(([key, kind]) => [`${name}.${key}`, helpOf(kind)] as const),
  );
  expect(all.filter(([, help]) => help === undefined).map(([key]) => key)).toEqual([]);
});
