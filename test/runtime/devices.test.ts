/** What onnxruntime is asked for by the name of a device, and what is said where it is not there. */

import type { InferenceSession } from "onnxruntime-common";
import * as ort from "onnxruntime-node";
import { existsSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { SecateurError } from "../../src/graph/error.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { createRuntime } from "../../src/runtime/onnxruntime.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { createWorkerRuntime } from "../../src/runtime/workers-node.ts";
import { channelBlockOf } from "../../src/execute/channel-block.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { moduleText, openWorkshop, secateur } from "../cli/support.ts";

const model = encodeModel(newModel("lenet5", { classes: 10, seed: 1 }));

const cudaStarts = await directRuntime.load(model, { device: "cuda" }).then(
  (session) => session.dispose().then(() => true),
  () => false,
);

const workshop = openWorkshop();
afterAll(() => workshop.remove());

type Providers = InferenceSession.SessionOptions["executionProviders"];

/** An onnxruntime package that writes down what it is asked for, and of whose devices some do not start. */
function packageOf(backends: Readonly<Record<string, boolean>> | undefined, broken: readonly string[] = []) {
  const asked: Providers[] = [];
  let open = 0;
  const create = async (_model: unknown, { executionProviders }: InferenceSession.SessionOptions) => {
    asked.push(executionProviders);
    const [first] = executionProviders ?? [];
    const name = typeof first === "object" ? first.name : first;
    if (broken.includes(name ?? "cpu"))
      throw new Error(`/src/${name}.cc:1 Start() ready was false. no ${name} today.\nframes`);
    open++;
    return { inputNames: [], outputNames: [], release: async () => void open-- };
  };
  const listSupportedBackends = () => Object.entries(backends ?? {}).map(([name, bundled]) => ({ name, bundled }));
  const fake = {
    Tensor: ort.Tensor,
    InferenceSession: { create } as unknown as ort.InferenceSessionFactory,
    ...(backends && { listSupportedBackends }),
  };
  return { runtime: createRuntime(fake, { name: "package", writesOutputs: true }), asked, open: () => open };
}

const refusal = (runtime: Runtime, device: "cpu" | "webgpu" | "cuda" | "coreml" | "dml") =>
  runtime.load(model, { device }).then(
    () => undefined,
    (error: unknown) => (error instanceof SecateurError ? [error.code, error.message] : error),
  );

describe("onnxruntime is asked for", () => {
  it("one device and nothing beside it, or for none where none is named", async () => {
    const { runtime, asked } = packageOf({ cpu: true, cuda: false, dml: true });
    for (const device of [undefined, "cpu", "cuda", "dml"] as const) await runtime.load(model, { device });
    expect(asked).toEqual([undefined, ["cpu"], ["cuda"], ["dml"]]);
  });

  it("channels first on webgpu, by builds that do not say what they have too", async () => {
    const { runtime, asked } = packageOf(undefined);
    await runtime.load(model, { device: "webgpu" });
    expect(asked).toEqual([[{ name: "webgpu", preferredLayout: "NCHW" }]]);
  });
});

describe("a device that is not to be had", () => {
  it("is refused with those that are, before anything is loaded", async () => {
    const { runtime, asked } = packageOf({ cpu: true, webgpu: true, cuda: false, tensorrt: false });
    expect(await refusal(runtime, "coreml")).toEqual([
      "unsupported",
      "package has no coreml here, only cpu, webgpu, cuda (once its libraries are installed): coreml needs macOS",
    ]);
    expect(asked).toEqual([]);
  });

  it("is refused with what it takes where it does not start, and nothing is left open", async () => {
    const { runtime, asked, open } = packageOf({ cpu: true, cuda: false }, ["cuda"]);
    expect(await refusal(runtime, "cuda")).toEqual([
      "unsupported",
      expect.stringMatching(
        /^the model does not load on cuda, though it does on the CPU: no cuda today\. cuda needs .*ONNXRUNTIME_NODE_INSTALL=cuda12/,
      ),
    ]);
    expect(asked).toEqual([["cuda"], ["cpu"]]);
    expect(open()).toBe(0);
  });

  it("is not blamed for a model that the CPU does not take either", async () => {
    const { runtime } = packageOf({ cpu: true, webgpu: true }, ["cpu", "webgpu"]);
    expect(await refusal(runtime, "webgpu")).toEqual([
      "bad-model",
      "onnxruntime does not load the model: no webgpu today",
    ]);
  });

  // Where there is a mac or Windows, the other one is missing.
  const missing = process.platform === "win32" ? "coreml" : "dml";
  it.each([directRuntime, createWorkerRuntime("onnxruntime-node")])("is refused in Node ($name)", async (runtime) => {
    expect(await refusal(runtime, missing)).toEqual([
      "unsupported",
      expect.stringMatching(new RegExp(`^onnxruntime-node has no ${missing} here, only cpu.*: ${missing} needs`)),
    ]);
  });
});

describe("products on cuda are in float32", () => {
  const name = "NVIDIA_TF32_OVERRIDE";
  const asked = async (runtime: Runtime, device: "cpu" | "cuda", said?: string) => {
    const before = process.env[name];
    if (said === undefined) delete process.env[name];
    else process.env[name] = said;
    await runtime.load(model, { device }).then(
      (session) => session.dispose(),
      () => undefined,
    );
    const found = process.env[name];
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
    return found;
  };

  it.each([directRuntime, createWorkerRuntime("onnxruntime-node")])(
    "unless the user says otherwise",
    async (runtime) => {
      expect(await asked(runtime, "cpu")).toBeUndefined();
      expect(await asked(runtime, "cuda")).toBe("0");
      expect(await asked(runtime, "cuda", "1")).toBe("1");
    },
  );
});

it("blocks of channels are the CPU's", async () => {
  const load = () => Promise.reject(new Error("asked"));
  expect(await channelBlockOf({ name: "none", threads: 1, load }, "cuda")).toBeUndefined();
});

describe("--device", () => {
  const { write, at } = workshop;
  const net = write("net.onnx", model);
  const data = `module:${write("batches.mjs", moduleText())}`;
  const device = process.platform === "win32" ? "coreml" : "dml";

  it.each([
    ["eval", []],
    ["score", ["--batches", "1"]],
    ["compare", [net]],
    ["train", ["-o", at("out.onnx")]],
    ["prune", ["--units", "0.9", "-o", at("out.onnx")]],
  ])("goes to the runtime with %s", async (command, more) => {
    const argv = [command, net, ...more, "--data", data, "--batch-size", "8", "--device", device];
    const { code, out, err } = await secateur(argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(`onnxruntime-node has no ${device} here`);
  });

  it("goes to the runtime with the proof of cut", async () => {
    const plan = at("plan.json");
    expect((await secateur(["plan", net, "--ratio", "0.5", "-o", plan, "--device", device])).code).toBe(0);
    const cut = ["cut", net, "--plan", plan, "--device", device, "-o", at("cut.onnx")];
    const refused = await secateur(cut);
    // What was cut is not lost where it can not be proved: it lies beside.
    expect([refused.code, refused.out]).toEqual([1, ""]);
    expect(refused.err).toContain(`onnxruntime-node has no ${device} here`);
    expect(existsSync(at("cut.onnx"))).toBe(false);
    expect((await secateur([...cut, "--no-prove"])).code).toBe(0);
    expect((await secateur(["cut", net, "--plan", plan, "--threads", "1", "-o", at("cut.onnx")])).code).toBe(0);
  });

  it("cpu is the default, and by its name the same", async () => {
    const run = (...more: string[]) =>
      secateur(["score", net, "--data", data, "--batch-size", "8", "--batches", "2", "--json", ...more]);
    const [named, silent] = [await run("--device", "cpu"), await run()];
    expect([named.code, named.out]).toEqual([0, silent.out]);
  });

  it("of another name is refused", async () => {
    const { code, err } = await secateur(["eval", net, "--data", data, "--device", "tpu"]);
    expect(code).toBe(2);
    expect(err).toContain("Allowed choices are cpu, webgpu, cuda, coreml, dml");
  });

  it.skipIf(cudaStarts)("cuda says how it is installed", async () => {
    const { code, err } = await secateur(["eval", net, "--data", data, "--device", "cuda"]);
    expect(code).toBe(2);
    expect(err).toContain("ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node");
  });
});
