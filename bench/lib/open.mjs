/** Opens the sides of a case, each told what to do by a file. */

import { writeFileSync } from "node:fs";
import { openChild } from "./child.mjs";

const path = (name) => new URL(`../${name}`, import.meta.url).pathname;

function describe(name, settings) {
  const file = `${settings.folder}/${name}.json`;
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

export const openOurs = (settings) => openChild(process.execPath, [path("ours/main.mjs"), describe("ours", settings)]);
export const openTorch = (python, name, settings) =>
  openChild(python, [path("peers/torch_side.py"), describe(name, settings)]);
export const openTfjs = (backend, settings) =>
  openChild(process.execPath, [path("peers/tfjs_side.mjs"), describe(`tfjs-${backend}`, { ...settings, backend })]);
