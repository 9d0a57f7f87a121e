/** What the cases need besides Secateur, and how to get it where it is missing. */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

const packages = ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"];

function give(...lines) {
  for (const line of lines) console.error(line);
  process.exit(2);
}

/** PyTorch is a peer, and it writes the networks. */
export function requireTorch(python) {
  try {
    execFileSync(python, ["-c", "import torch, torchvision, onnx"], { stdio: "pipe" });
  } catch (error) {
    const reason = String(error.stderr ?? error.message)
      .trim()
      .split("\n")
      .at(-1);
    give(
      `PyTorch is not to be had from ${python}: ${reason}`,
      "Install it (Debian: apt install python3-torch python3-torchvision python3-onnx; elsewhere: pip install torch torchvision onnx),",
      "and name the interpreter that has it: npm run bench -- --python /usr/bin/python3",
    );
  }
}

/** TensorFlow.js is a peer that the project does not depend on: it lies in a folder of its own. */
export function requireTfjs(folder) {
  const missing = packages.filter((name) => !existsSync(`${folder}/node_modules/${name}/package.json`));
  if (missing.length > 0)
    give(
      `TensorFlow.js is not to be had from ${folder}: ${missing.join(" and ")} not installed there.`,
      `Install it: npm install --prefix ${folder} --ignore-scripts ${packages.map((name) => `${name}@4`).join(" ")}`,
      "or name the folder that has it: npm run bench -- --tfjs DIR",
    );
}
