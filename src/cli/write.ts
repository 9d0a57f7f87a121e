/** Writes the model that a command made, and says in which opset where that is not the one that was wanted. */

import type { Model } from "../graph/graph.ts";
import { writeModelFile } from "../onnx/files-node.ts";
import type { OpsetFlags } from "./options/model.ts";
import { note } from "./output.ts";

export async function writeModel(path: string, model: Model, { opset }: OpsetFlags = {}): Promise<void> {
  const { raised } = await writeModelFile(path, model, { opset });
  if (raised !== undefined) note(raised);
  for (const remark of model.remarks ?? []) note(remark);
}

/** Where a model goes whose proof failed, so that nobody takes it for one that is proved. */
export const unprovedPath = (path: string): string => `${path.replace(/\.onnx$/, "")}.unproved.onnx`;
