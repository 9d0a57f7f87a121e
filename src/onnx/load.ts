/** A model ready for work: decoded, in order, in the internal opset and verified. */

import type { Graph, Model } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { sortNodes } from "../graph/sort.ts";
import { verify } from "../graph/verify.ts";
import { decodeModel, type DecodeOptions } from "./decode.ts";
import { upgrade } from "./upgrade.ts";

/**
 * Reads a model of opset 7 to 26 and brings it to opset 23. A node whose meaning opset 23 does not have keeps the form
 * of its own, and is known to no rule.
 *
 * @throws SecateurError where the bytes are no valid model or hold what is not held here.
 */
export function loadModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  const decoded = decodeModel(bytes, options);
  const sorted = { ...decoded, graph: sortNodes(decoded.graph) };
  verify(sorted.graph);
  const upgraded = upgrade(sorted);
  verify(upgraded.graph);
  return { ...upgraded, graph: nameOutputs(trimInputs(upgraded.graph)), fileOpset: decoded.opsets[""]! };
}

/** The graph without inputs left out behind a node's last: onnxruntime crashes on those of LayerNormalization. */
function trimInputs(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) =>
    node.inputs.at(-1) === ""
      ? { ...node, inputs: node.inputs.slice(0, node.inputs.findLastIndex((name) => name !== "") + 1) }
      : node,
  );
  return { ...graph, nodes };
}

/** The graph with a name for every output left out in front of one that is there, so that rules find all. */
function nameOutputs(graph: Graph): Graph {
  const taken = namesOf(graph);
  const nodes = graph.nodes.map((node) =>
    node.outputs.includes("")
      ? { ...node, outputs: node.outputs.map((name, i) => name || taken.fresh(`${node.op}_${i}_unused`)) }
      : node,
  );
  return { ...graph, nodes };
}
