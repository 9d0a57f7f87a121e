/** How exactly a device computes what is in float32. */

import type { Device } from "./port.ts";

/**
 * NVIDIA's libraries round the factors of products to 10 bits (TF32) unless they are told otherwise, too few to compare
 * a cut with a mask, or a gradient with another. They read the environment as they start; what the user says there
 * stands. A worker's environment is a copy that they do not see, so that the main thread has to say it.
 *
 * @see https://docs.nvidia.com/cuda/cublas/ and https://docs.nvidia.com/deeplearning/cudnn/ on NVIDIA_TF32_OVERRIDE
 */
export function keepFloat32(device: Device | undefined): void {
  if (device === "cuda") process.env["NVIDIA_TF32_OVERRIDE"] ??= "0";
}
