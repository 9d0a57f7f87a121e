/** The network of a case, and the samples that all sides run. */

import { prepare, readModelFile } from "../../dist/node.js";
import { readTensor } from "../lib/arrays.mjs";

export const readNet = async ({ net, folder }) => prepare(await readModelFile(`${folder}/${net}.onnx`));

export const readSamples = ({ samples, channels, size, files }) => ({
  x: readTensor(files.x, "float32", [samples, channels, size, size]),
  y: readTensor(files.y, "int64", [samples]),
});
