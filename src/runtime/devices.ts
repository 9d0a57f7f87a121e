/** The devices that onnxruntime computes on: how each is asked for, and what it takes where it is not to be had. */

import type { InferenceSession } from "onnxruntime-common";
import { fail, option } from "../graph/error.ts";
import { devices, type Device } from "./port.ts";

/**
 * An execution provider of an onnxruntime package; one that is not bundled has libraries of
 * its own, which may have been installed.
 */
export interface Backend {
  readonly name: string;
  readonly bundled: boolean;
}

/**
 * The execution provider of a device. No other is named beside it: onnxruntime would take that one
 * silently where the first does not start.
 */
export const providerOf = (device: Device): InferenceSession.ExecutionProviderConfig =>
  // Convolutions with channels last give wrong sums for some numbers of channels, as from 6 to 8 (onnxruntime 1.30).
  device === "webgpu" ? { name: "webgpu", preferredLayout: "NCHW" } : device;

const needs: Readonly<Record<Device, string>> = {
  cpu: "an onnxruntime package that brings it",
  webgpu: "a GPU with a driver for Vulkan on Linux x64, Metal on macOS or Direct3D 12 on Windows",
  cuda:
    "Linux x64, an NVIDIA GPU, CUDA 12 and cuDNN 9, and libraries that come with " +
    "`ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`",
  coreml: "macOS",
  dml: "Windows with DirectX 12",
};

/** @throws SecateurError `unsupported` where the package has no such device, with those that it has */
export function requireDevice(device: Device, name: string, backends: readonly Backend[]): void {
  if (backends.some((backend) => backend.name === device)) return;
  const there = backends
    .filter((backend) => devices.some((one) => one === backend.name))
    .map((backend) => (backend.bundled ? backend.name : `${backend.name} (once its libraries are installed)`));
  fail("unsupported", `${name} has no ${device} here, only ${there.join(", ")}: ${device} needs ${needs[device]}`);
}

/** Says that a device does not take a model that the CPU takes. */
export function refuseDevice(device: Device, reason: string): never {
  fail(
    "unsupported",
    `the model does not load on ${device}, though it does on the CPU: ${reason}. ${device} needs ` +
      `${needs[device]}; ${option("device", "cpu")} always works`,
  );
}
