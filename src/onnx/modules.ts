/** The modules of a program that a node of its export comes from, as exporters write them into nodes. */

import type { Node } from "../graph/graph.ts";

/** How torch's newer exporter says where a node comes from. */
const scopesKey = "pkg.torch.onnx.name_scopes";
const callKey = "pkg.torch.onnx.fx_node";

/**
 * The name of the module that a node belongs to, as the program that was exported has it: `encoder.layers.0.linear1`;
 * `undefined` where the node does not say, or belongs to no module but the whole. It is read from what torch's newer
 * exporter notes (`['', 'encoder', 'encoder.layers.0', ..., 'linear']`), or from the node's name as the older one
 * writes it (`/encoder/layers.0/linear1/MatMul`).
 */
export function moduleOf({ name, metadata }: Node): string | undefined {
  const scopes = metadata?.[scopesKey];
  if (scopes !== undefined) {
    const quoted = [...scopes.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, one, other]) => one ?? other ?? "");
    return quoted.slice(0, -1).at(-1) || undefined;
  }
  if (!name.startsWith("/")) return undefined;
  const names: string[] = [];
  for (const one of name.split("/").slice(1, -1)) {
    // What lies in a list bears the list's name again: /layer1/layer1.0/conv1.
    if (names.length > 0 && one.startsWith(`${names.at(-1)}.`)) names.pop();
    names.push(one);
  }
  return names.join(".") || undefined;
}

/**
 * The parameters and buffers that the call had which a node is written for, by the names of torch's newer
 * exporter; empty where the node does not say.
 */
export function parametersOf({ metadata }: Node): readonly string[] {
  return metadata?.[callKey]?.match(/%[pb]_\w+/g) ?? [];
}

/** Whether an exporter counted a name up or made it of a node's: it is no name of the exported program. */
export const isMadeUp = (name: string): boolean =>
  /^(\d+|\w+::\w+_\d+(_quantized)?|\/.*|.*_output_\d+)$/i.test(name) || counted.test(name);

const counted =
  /^(val|t|tmp|const|constant|initializer|transpose|permute|view|unsqueeze|expand|numpy_helper)_?\d*(_\d+)*$/i;
