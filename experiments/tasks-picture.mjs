/**
 * A picture of what is left of the segmenter: pictures of the test part, their labels, and what the whole net, the pruned one and the one that was cut by magnitude say.
 *
 * Usage: node experiments/tasks-picture.mjs --models DIR --data DIR        after npm run experiment:tasks, which keeps the small nets in .cache/tasks
 */

import { readFileSync } from "node:fs";
import sharp from "sharp";
import { nodeRuntime, openDataset } from "../dist/node.js";
import { options } from "./lib/options.mjs";

const flags = options(import.meta.url, { models: { type: "string" }, data: { type: "string" } });
const kept = new URL("../.cache/tasks/", import.meta.url).pathname;
const [side, zoom, gap, shown] = [64, 2, 6, 8];
const colours = [
  [40, 44, 52],
  [235, 87, 87],
  [47, 125, 79],
  [66, 133, 244],
];

const data = await openDataset(`npz:${flags.data}/segmenter.npz`, { split: "test" });
const { value: batch } = await data.batches({ batchSize: shown })[Symbol.asyncIterator]().next();
const image = Object.values(batch.inputs)[0];
const pixels = side * side;

const nets = [
  `${flags.models}/segmenter-batchnorm.onnx`,
  `${kept}segmenter-pruned-default.onnx`,
  `${kept}segmenter-cut-magnitude.onnx`,
];

/** The class of each pixel, by a net. */
async function classesBy(path) {
  const session = await nodeRuntime.load(readFileSync(path), { threads: 1 });
  const { logits } = await session.run({ image });
  await session.dispose();
  const classes = logits.shape[1];
  return Array.from({ length: shown * pixels }, (_, i) => {
    const [n, at] = [Math.floor(i / pixels), i % pixels];
    const scores = Array.from({ length: classes }, (_unused, c) => logits.data[(n * classes + c) * pixels + at]);
    return scores.indexOf(Math.max(...scores));
  });
}

const low = Math.min(...image.data);
const span = Math.max(...image.data) - low;
const pictures = Array.from({ length: shown * pixels }, (_, i) => {
  const [n, at] = [Math.floor(i / pixels), i % pixels];
  return [0, 1, 2].map((c) => Math.round((255 * (image.data[(n * 3 + c) * pixels + at] - low)) / span));
});
const rows = [pictures, Array.from(batch.target.data, (id) => colours[Number(id)])];
for (const path of nets) rows.push((await classesBy(path)).map((id) => colours[id]));

const tiles = rows.flatMap((row, y) =>
  Array.from({ length: shown }, (_, x) => ({
    raw: Buffer.from(row.slice(x * pixels, (x + 1) * pixels).flat()),
    left: gap + x * (side * zoom + gap),
    top: gap + y * (side * zoom + gap),
  })),
);
const layers = await Promise.all(
  tiles.map(async ({ raw, left, top }) => ({
    input: await sharp(raw, { raw: { width: side, height: side, channels: 3 } })
      .resize(side * zoom, side * zoom, { kernel: "nearest" })
      .png()
      .toBuffer(),
    left,
    top,
  })),
);
const out = new URL("../docs/results/tasks-segmenter.png", import.meta.url).pathname;
await sharp({
  create: {
    width: gap + shown * (side * zoom + gap),
    height: gap + rows.length * (side * zoom + gap),
    channels: 3,
    background: "#ffffff",
  },
})
  .composite(layers)
  .png({ palette: true })
  .toFile(out);
console.log(out);
