/** Model files: external data within the folder only, and writing as a whole or not at all. */

import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "../../src/onnx/schema/onnx_pb.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SecateurError } from "../../src/graph/error.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, isLazy, take } from "../../src/graph/tensor.ts";
import { checkWritable, writeFileAtomic } from "../../src/onnx/atomic-node.ts";
import { encodeModelExternal } from "../../src/onnx/encode.ts";
import { readModelFile, writeModelFile } from "../../src/onnx/files-node.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { modelOf, node, noise, value } from "./support.ts";
import { laws } from "../support/laws.ts";

const w = float32([2000], noise(2000));
const model = {
  ...modelOf(23, {
    inputs: [value("x", [2000])],
    outputs: [value("y")],
    initializers: new Map([["w", w]]),
    nodes: [node("Mul", ["x", "w"], ["y"])],
  }),
  irVersion: 11,
};

let root = "";
let folder = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "secateur-files-"));
  folder = join(root, "models");
  mkdirSync(folder);
});
afterEach(() => rmSync(root, { recursive: true }));

describe("readModelFile and writeModelFile", () => {
  test("a model comes back, in one file and in two", async () => {
    const path = join(folder, "m.onnx");
    await writeModelFile(path, model);
    expect(readdirSync(folder)).toEqual(["m.onnx"]);
    expect(await readModelFile(path)).toEqual({ ...model, fileOpset: model.opsets[""] });
    await writeModelFile(path, model, { externalAbove: 4000 });
    expect(readdirSync(folder).toSorted()).toEqual(["m.onnx", "m.onnx.data"]);
    expect(await readModelFile(path)).toEqual({ ...model, fileOpset: model.opsets[""] });
  });

  test("it says in which opset, and why where that is not the one that was asked for", async () => {
    const path = join(folder, "m.onnx");
    expect(await writeModelFile(path, model)).toEqual({ opset: 23 });
    expect(await writeModelFile(path, model, { opset: 11, externalAbove: 4000 })).toEqual({ opset: 11 });
    expect(await readModelFile(path)).toEqual({ ...model, irVersion: 11, fileOpset: 11 });
    const young = { ...model, graph: { ...model.graph, nodes: [node("Gelu", ["x"], ["y"])] } };
    expect(await writeModelFile(path, young, { opset: 11 })).toEqual({
      opset: 20,
      raised: "opset 11 can't say Gelu -> y: written in opset 20",
    });
  });

  test("external data may lie in a folder below", async () => {
    const { bytes, data } = encodeModelExternal(model, "parts/w.bin");
    mkdirSync(join(folder, "parts"));
    writeFileSync(join(folder, "parts/w.bin"), Buffer.concat([...data]));
    writeFileSync(join(folder, "m.onnx"), bytes);
    expect(await readModelFile(join(folder, "m.onnx"))).toEqual({ ...model, fileOpset: model.opsets[""] });
  });

  test("large external data is read when it is needed, and cut piece by piece", laws, async () => {
    const size = 1024;
    const large = float32(
      [size, size],
      Float32Array.from({ length: size * size }, (_, i) => i),
    );
    const info = (name: string) => ({ name, dtype: "float32" as const, shape: ["n", size] });
    const gemm = (x: string, w: string, y: string) => ({
      op: "Gemm",
      domain: "",
      name: y,
      inputs: [x, w],
      outputs: [y],
      attributes: { transB: { type: "int" as const, value: 1 } },
    });
    const graph: Graph = {
      ...model.graph,
      inputs: [info("x")],
      outputs: [info("y")],
      nodes: [gemm("x", "first", "h"), gemm("h", "second", "y")],
      initializers: new Map([
        ["first", large],
        ["second", large],
      ]),
      info: new Map(),
    };
    const path = join(folder, "large.onnx");
    await writeModelFile(path, { ...model, graph }, { externalAbove: 0 });
    const read = await readModelFile(path);
    const found = analyse(read.graph);
    expect(found.groups.map(({ name, units }) => [name, units.length])).toEqual([["first", size]]);
    const removal = new Map([["first", [0, 7]]]);
    const small = cut(read.graph, found, removal);
    expect([...small.graph.initializers.values()].every(isLazy)).toBe(true);
    expect(small.graph.initializers.get("second")!.data.slice(0, 8)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6, 8, 9));
    await writeModelFile(join(folder, "small.onnx"), { ...read, graph: small.graph });
    const now = (await readModelFile(join(folder, "small.onnx"))).graph.initializers;
    expect(now.get("first")).toEqual(
      take(
        large,
        0,
        Array.from({ length: size }, (_, i) => i).filter((i) => i % 7 || i > 7),
      ),
    );
    // What is gone by the time it is needed is said, and nothing is written.
    rmSync(`${path}.data`);
    const late = cut(read.graph, found, new Map([["first", [1]]]));
    await expect(writeModelFile(join(folder, "late.onnx"), { ...read, graph: late.graph })).rejects.toThrow(
      /cannot read "large\.onnx\.data".*no such file/,
    );
    expect(readdirSync(folder)).not.toContain("late.onnx");
  });

  test("external data that is missing or cut short is named", async () => {
    const { bytes, data } = encodeModelExternal(model, "w.bin");
    writeFileSync(join(folder, "m.onnx"), bytes);
    await expect(readModelFile(join(folder, "m.onnx"))).rejects.toThrow(
      /m\.onnx: cannot read "w\.bin".*tensor "w": no such file.*put it beside/,
    );
    writeFileSync(join(folder, "w.bin"), Buffer.concat([...data]).subarray(1));
    await expect(readModelFile(join(folder, "m.onnx"))).rejects.toThrow(
      /"w" should be bytes 0 to 8000 of "w\.bin", which has 7999/,
    );
  });

  test.each([
    ["above the folder", "../w.bin"],
    ["above, in the middle", "parts/../../w.bin"],
    ["above, as Windows writes it", "..\\w.bin"],
    ["an absolute path", "ABSOLUTE"],
    ["a drive", "C:\\w.bin"],
    ["a link that leads outside", "link.bin"],
    ["a folder behind a link", "out/w.bin"],
    ["the folder itself", "."],
  ])("external data is not read from %s", async (_, location) => {
    const outside = join(root, "w.bin");
    const { bytes, data } = encodeModelExternal(model, location === "ABSOLUTE" ? outside : location);
    writeFileSync(outside, Buffer.concat([...data]));
    symlinkSync(outside, join(folder, "link.bin"));
    symlinkSync(root, join(folder, "out"));
    writeFileSync(join(folder, "m.onnx"), bytes);
    await expect(readModelFile(join(folder, "m.onnx"))).rejects.toThrow(/outside the folder of the model/);
  });

  /** A model whose weights of 8000 bytes lie at the given places of one file. */
  const readShared = (...offsets: number[]) => {
    const names = offsets.map((_, i) => `w${i}`);
    const nodes = [node("Sum", ["x", ...names], ["y"])];
    const graph = { ...model.graph, nodes, initializers: new Map(names.map((name) => [name, w])) };
    const proto = fromBinary(ModelProtoSchema, encodeModelExternal({ ...model, graph }, "w.bin").bytes);
    proto.graph!.initializer.forEach((tensor, i) => {
      tensor.externalData.find(({ key }) => key === "offset")!.value = String(offsets[i]);
    });
    writeFileSync(join(folder, "m.onnx"), toBinary(ModelProtoSchema, proto));
    writeFileSync(join(folder, "w.bin"), new Uint8Array(8000 + Math.max(...offsets)));
    return readModelFile(join(folder, "m.onnx"));
  };

  test("tensors may share external data, but not overlap in it", async () => {
    expect((await readShared(0, 0, 8000)).graph.initializers.size).toBe(3);
    const message = /the tensors "w0" and "w1" overlap in "w\.bin"; the file is damaged/;
    await expect(readShared(0, 4096)).rejects.toThrow(message);
    await expect(readShared(4096, 0)).rejects.toThrow(message);
  });

  test("a small file does not fill memory by being read again and again", async () => {
    expect((await readShared(...Array<number>(16).fill(0))).graph.initializers.size).toBe(16);
    await expect(readShared(...Array<number>(17).fill(0))).rejects.toThrow(
      /tensors take more than 16 times the 8000 bytes of "w\.bin"/,
    );
  });

  test("files that cannot be read are named with the reason", async () => {
    await expect(readModelFile(join(folder, "none.onnx"))).rejects.toThrow(/none\.onnx: no such file/);
    await expect(readModelFile(folder)).rejects.toThrow(/it is a folder/);
    writeFileSync(join(folder, "empty.onnx"), "");
    await expect(readModelFile(join(folder, "empty.onnx"))).rejects.toThrow(/empty\.onnx is empty/);
    writeFileSync(join(folder, "page.onnx"), "<html></html>");
    await expect(readModelFile(join(folder, "page.onnx"))).rejects.toThrow(
      /page\.onnx: this is not an ONNX model: .*HTML/,
    );
  });
});

describe("writeFileAtomic", () => {
  test("replaces a file, behind a link too, and leaves nothing else", async () => {
    const path = join(folder, "f.txt");
    symlinkSync(path, join(root, "link.txt"));
    await writeFileAtomic(path, "one");
    await writeFileAtomic(join(root, "link.txt"), [Uint8Array.of(0x74), new Uint8Array(0), Uint8Array.of(0x77, 0x6f)]);
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(lstatSync(join(root, "link.txt")).isSymbolicLink()).toBe(true);
    expect(readdirSync(folder)).toEqual(["f.txt"]);
  });

  test("a link that leads out of its folder is refused, and what it leads to stays", async () => {
    const outside = join(root, "outside.txt");
    writeFileSync(outside, "mine");
    symlinkSync(outside, join(folder, "link.txt"));
    await expect(writeFileAtomic(join(folder, "link.txt"), "x")).rejects.toThrow(
      /link\.txt: it is a link to .*outside\.txt, outside its folder; name that file or remove the link/,
    );
    await expect(checkWritable(join(folder, "link.txt"))).rejects.toThrow(/outside its folder/);
    expect(readFileSync(outside, "utf8")).toBe("mine");
    expect(readdirSync(folder)).toEqual(["link.txt"]);
  });

  test("a link to nothing is replaced", async () => {
    symlinkSync(join(root, "nothing"), join(folder, "link.txt"));
    await writeFileAtomic(join(folder, "link.txt"), "x");
    expect(lstatSync(join(folder, "link.txt")).isFile()).toBe(true);
    expect(readdirSync(root)).toEqual(["models"]);
  });

  test("a link in the place of weights, which nobody named, is replaced", async () => {
    const other = join(folder, "other.bin");
    writeFileSync(other, "mine");
    symlinkSync(other, join(folder, "m.onnx.data"));
    await writeModelFile(join(folder, "m.onnx"), model, { externalAbove: 0 });
    expect(readFileSync(other, "utf8")).toBe("mine");
    expect(lstatSync(join(folder, "m.onnx.data")).isFile()).toBe(true);
  });

  test("what was there stays when writing fails, and no temporary file is left", async () => {
    const path = join(folder, "f.txt");
    await writeFileAtomic(path, "old");
    const broken = [Uint8Array.of(1), null as unknown as Uint8Array];
    await expect(writeFileAtomic(path, broken)).rejects.toThrow(SecateurError);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["f.txt"]);
  });

  test("says what is wrong with the place", async () => {
    await expect(writeFileAtomic(join(folder, "no/f.txt"), "x")).rejects.toThrow(/f\.txt: there is no folder .*no$/);
    await expect(writeFileAtomic(folder, "x")).rejects.toThrow(/it is a folder/);
    writeFileSync(join(folder, "file"), "");
    await expect(writeFileAtomic(join(folder, "file/f.txt"), "x")).rejects.toThrow(/is not a folder/);
  });

  // Root may write everywhere, so that nothing would be refused.
  test.skipIf(process.getuid?.() === 0)("a folder that may not be written to", async () => {
    chmodSync(folder, 0o500);
    await expect(writeFileAtomic(join(folder, "f.txt"), "x")).rejects.toThrow(/permission denied/);
    expect(existsSync(join(folder, "f.txt"))).toBe(false);
  });

  test.skipIf(!existsSync("/dev/full"))("a device is no target", async () => {
    await expect(writeFileAtomic("/dev/full", "x")).rejects.toThrow(/not a regular file/);
    expect(lstatSync("/dev/full").isCharacterDevice()).toBe(true);
  });
});
