/** Brings the nodes of a model to the internal opset, step by step as the ONNX standard changed. */

import type { Model, Node } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { lower } from "./downgrade.ts";
import { formDomain, formOf, hasForms } from "../graph/forms.ts";
import { internalOpset, isYounger } from "./opsets.ts";
import { rewriteNodes, type Surroundings } from "./scope.ts";
import type { Upgrading } from "./upgrade-step.ts";
import { upgrades } from "./upgrades.ts";

export { internalOpset } from "./opsets.ts";

/** A node that means something which the internal opset cannot say. */
class NoEqual extends Error {}

function lift(node: Node, from: number, context: Upgrading): readonly Node[] {
  const steps = Object.hasOwn(upgrades, node.op) && node.domain === "" ? upgrades[node.op] : undefined;
  const step = steps?.find(({ since }) => since > from);
  if (!step) return [node];
  const lifted = step.upgrade(node, context);
  return (Array.isArray(lifted) ? (lifted as readonly Node[]) : [lifted as Node]).flatMap((one) =>
    lift(one, step.since, context),
  );
}

/** What stands for a node in the internal opset: the node itself, in the form of its own, where nothing does. */
function bring(node: Node, from: number, around: Surroundings): readonly Node[] {
  if (from === internalOpset) return [node];
  const asItWas: readonly Node[] = [{ ...node, domain: formDomain(from) }];
  if (from > internalOpset) {
    const lowered = lower(node, internalOpset, around, from);
    // An operator that is younger as a whole has no other form.
    return typeof lowered === "number" ? (isYounger(node) ? [node] : asItWas) : lowered;
  }
  const context: Upgrading = {
    ...around,
    refuse() {
      throw new NoEqual();
    },
  };
  try {
    return lift(node, from, context);
  } catch (error) {
    if (error instanceof NoEqual) return asItWas;
    throw error;
  }
}

/**
 * The model in opset 23 of the ONNX standard, bodies included. Nodes of other domains stay as they are. Attributes that
 * became inputs are new initializers. A node that means something which opset 23 cannot say keeps its form: its domain
 * names the opset, and no rule knows it.
 */
export function upgrade(model: Model): Model {
  const from = model.opsets[""] ?? internalOpset;
  if (from === internalOpset && !hasForms(model.graph)) return model;
  const graph = rewriteNodes(model.graph, namesOf(model.graph), (node, around) => {
    const own = formOf(node);
    if (own === undefined) return node.domain === "" ? bring(node, from, around) : [node];
    return bring({ ...node, domain: "" }, own, around);
  });
  return { ...model, graph, opsets: { ...model.opsets, "": internalOpset } };
}
