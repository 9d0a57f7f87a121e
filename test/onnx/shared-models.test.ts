/**
 * Real models: what we load, upgrade and write computes bit for bit what the file computed.
 *
 * @module-tag laws
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Model } from "../../src/graph/graph.ts";
import { bytesOf } from "../../src/graph/tensor.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { internalOpset } from "../../src/onnx/upgrade.ts";
import { feedsOf, run } from "./support.ts";

const root = join(import.meta.dirname, "../../../shared/data");
/** Their float weights alone take half a gigabyte when they run. */
const heavy = new Set(["light_vgg19.onnx", "light_bvlc_alexnet.onnx", "light_zfnet512.onnx"]);
const files = ["models", "onnx-light"].flatMap((folder) => {
  const path = join(root, folder);
  return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : [];
});
const names = files.filter((path) => path.endsWith(".onnx")).map((path) => path.slice(root.length + 1));

/** A model without its IR version, which writing may raise, and with the data of initializers as text, which compares quickly. */
function outline(model: Model): unknown {
  const { graph } = model;
  const initializers = Array.from(graph.initializers, ([name, value]) => {
    const data = value.dtype === "string" ? value.data : Buffer.from(bytesOf(value)).toString("latin1");
    return { name, ...value, data };
  });
  return { ...model, irVersion: 0, graph: { ...graph, initializers } };
}

describe.skipIf(names.length === 0)("models of shared/data (skipped where the folder is absent)", () => {
  test.each(names)("%s: decode, encode and decode again gives the same model", (name) => {
    const model = decodeModel(readFileSync(join(root, name)));
    const bytes = encodeModel(model);
    const again = decodeModel(bytes);
    expect(Buffer.compare(encodeModel(again), bytes)).toBe(0);
    expect(outline(again)).toEqual(outline(model));
  });

  test.each(names.filter((name) => !heavy.has(name.split("/")[1]!)))(
    "%s: loaded and written, it computes the same bits",
    async (name) => {
      const bytes = readFileSync(join(root, name));
      const model = loadModel(bytes);
      expect(model.opsets[""]).toBe(internalOpset);
      const feeds = feedsOf(model);
      expect(await run(encodeModel(model), feeds)).toEqual(await run(bytes, feeds));
    },
    60_000,
  );
});
