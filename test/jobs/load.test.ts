/** Models from bytes whose tensors lie in other files. */

import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { encodeModel, load, newModel, save } from "../../src/node.ts";

it("takes the files beside a model by their names, and names the one that is missing or short", async () => {
  const folder = await mkdtemp(join(tmpdir(), "secateur-load-"));
  try {
    const model = newModel("lenet5", { classes: 10, seed: 1 });
    await save(join(folder, "net.onnx"), model, { externalAbove: 100 });
    const name = (await readdir(folder)).find((file) => file !== "net.onnx");
    const [bytes, data] = await Promise.all([readFile(join(folder, "net.onnx")), readFile(join(folder, name!))]);
    const whole = await load(bytes, { external: { [name!]: data } });
    expect(encodeModel(whole)).toEqual(encodeModel(await load(join(folder, "net.onnx"))));
    await expect(load(bytes, { external: { other: data } })).rejects.toThrow(`lies in "${name}" beside the model`);
    await expect(load(bytes, { external: { [name!]: data.subarray(0, 200) } })).rejects.toThrow("is it complete?");
  } finally {
    await rm(folder, { recursive: true });
  }
});
