/** Untrained networks. */

import { z } from "zod";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { count, type KindsOf } from "../options/kinds.ts";
import { newModel as build, type NewModelOptions, type ZooName } from "../zoo/zoo.ts";

const settle = takes("newModel", {
  classes: count,
  seed: z.int(),
  input: z.array(count).length(3).readonly().optional(),
} satisfies KindsOf<NewModelOptions>);

/**
 * An untrained network. It takes `input` [batch, C, H, W] and puts out `logits` [batch,
 * classes], both float32, for any batch.
 *
 * @example
 * import { newModel, save } from "secateur";
 *
 * await save("net.onnx", newModel("lenet5", { classes: 10, seed: 1 }));
 *
 * @throws SecateurError `bad-option` for a name that is none, an input that is too
 * small, and numbers that make no sense
 */
export const newModel = (name: ZooName, options: NewModelOptions): Model => build(name, settle(options));
