/** What is carried stays on the device: by a runtime that says which tensors it made, read, and let go. */

import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import { expect, it } from "vitest";
import { createRuntime, type Onnxruntime } from "../../src/runtime/onnxruntime.ts";

/** A package whose sessions count n up on a device; `log` tells of each tensor there. */
function fakePackage(log: string[]): { ort: Onnxruntime; options: InferenceSession.SessionOptions[] } {
  const options: InferenceSession.SessionOptions[] = [];
  class FakeTensor {
    readonly location = "cpu";
    readonly type: string;
    readonly data: Float32Array;
    readonly dims: readonly number[];
    constructor(type: string, data: Float32Array, dims: readonly number[]) {
      [this.type, this.data, this.dims] = [type, data, dims];
    }
  }
  const onDevice = (value: number) => ({
    location: "gpu-buffer",
    type: "float32",
    dims: [1],
    value,
    get data(): never {
      throw new Error("it is on the device");
    },
    getData: () => {
      log.push(`read ${value}`);
      return Promise.resolve(Float32Array.of(value));
    },
    dispose: () => log.push(`let go ${value}`),
  });
  const session = {
    inputNames: ["n"],
    outputNames: ["next", "sum"],
    run({ n }: { n: { location: string; data: Float32Array; value: number } }) {
      const next = (n.location === "cpu" ? n.data[0]! : n.value) + 1;
      log.push(`run to ${next}`);
      return Promise.resolve({ next: onDevice(next), sum: new FakeTensor("float32", Float32Array.of(next * 10), [1]) });
    },
    release: () => Promise.resolve(void log.push("release")),
  };
  const create = (_: unknown, given: InferenceSession.SessionOptions) => {
    options.push(given);
    return Promise.resolve(session);
  };
  return {
    ort: { InferenceSession: { create }, Tensor: FakeTensor } as unknown as Onnxruntime & { Tensor: typeof OrtTensor },
    options,
  };
}

const start = { dtype: "float32", shape: [1], data: Float32Array.of(0) } as const;

it("on WebGPU, what a run hands to the next stays there, is let go after it, and is read when it is asked for", async () => {
  const log: string[] = [];
  const { ort, options } = fakePackage(log);
  const runtime = createRuntime(ort, { keepsOnDevice: true });
  const session = await runtime.load(new Uint8Array(1), {
    device: "webgpu",
    carried: [{ input: "n", output: "next", start }],
  });
  expect(options[0]!.preferredOutputLocation).toEqual({ next: "gpu-buffer" });
  await session.run({});
  expect((await session.run({}))["sum"]!.data).toEqual(Float32Array.of(20));
  expect((await session.carried())["n"]!.data).toEqual(Float32Array.of(2));
  await session.run({});
  await session.dispose();
  expect(log).toEqual(["run to 1", "run to 2", "let go 1", "read 2", "run to 3", "let go 2", "let go 3", "release"]);
});

it("what is told after each run comes back, and other devices and packages keep nothing there", async () => {
  const { ort, options } = fakePackage([]);
  const carried = [{ input: "n", output: "next", start, told: true }];
  await createRuntime(ort, { keepsOnDevice: true }).load(new Uint8Array(1), { device: "webgpu", carried });
  expect(options[0]!.preferredOutputLocation).toEqual({ next: "cpu" });
  await createRuntime(ort, { keepsOnDevice: true }).load(new Uint8Array(1), { carried });
  await createRuntime(ort).load(new Uint8Array(1), { device: "webgpu", carried });
  expect(options.slice(1).map(({ preferredOutputLocation }) => preferredOutputLocation)).toEqual([
    undefined,
    undefined,
  ]);
});
