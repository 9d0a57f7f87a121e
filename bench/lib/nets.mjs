/** The networks of the cases in the cache: those of the zoo are ours, the others PyTorch writes. */

import { existsSync, mkdirSync } from "node:fs";
import { newModel } from "../../dist/node.js";
import { writeModelFile } from "../../dist/graphs-node.js";
import { openTorch } from "./open.mjs";

const fileOf = ({ net }, folder) => `${folder}/${net}.onnx`;

/** Whether PyTorch has to write the network of a case. */
export const needsTorch = (one, { folder }) => !one.zoo && !existsSync(fileOf(one, folder));

export async function writeNet(one, settings) {
  const { folder, python } = settings;
  mkdirSync(folder, { recursive: true });
  const file = fileOf(one, folder);
  if (existsSync(file)) return;
  console.log(`  writing ${one.net}.onnx`);
  if (one.zoo) await writeModelFile(file, newModel(one.net, { classes: one.classes, seed: 0 }));
  else await (await openTorch(python, "export", { ...one, ...settings, what: "export" })).close();
}
