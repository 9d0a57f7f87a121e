/** Sources of evidence: what a minibatch is run through for criteria. */

import type { Targets } from "../options/learning.ts";
import type { Loss } from "../options/loss.ts";
import type { GatePlace } from "../options/ranking.ts";
import type { Need } from "../criteria/criterion.ts";
import { fail } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { MachineOptions, Runtime, Tensors } from "../runtime/port.ts";
import { findingsOf, nameEvidence, type Findings, type PassNeed } from "../objective/evidence.ts";
import { appendBackward, finishGraph } from "../objective/backward.ts";
import { wholeBatchLoss } from "../objective/loss-file.ts";
import type { ObjectiveInputs } from "../objective/objective.ts";
import { joinEvidence, meanOf, wholeBatchNeeds } from "../execute/batch-slices.ts";
import { fitMemory, inMicroBatches, minibatchInputs, type MemoryOptions } from "../execute/micro-batches.ts";
import { executable } from "../execute/executable.ts";

export interface ProviderOptions extends MachineOptions, MemoryOptions {
  readonly batchSize: number;
  readonly loss: Loss;
  readonly targets?: Targets | undefined;
  readonly gates?: GatePlace | undefined;
}

export interface EvidenceProvider extends AsyncDisposable {
  /** The inputs of the graph it runs that come from a batch: those of the model and of the objective. */
  readonly inputs: readonly ValueInfo[];
  readonly objective: ObjectiveInputs;
  /** Runs the minibatch of a number, which decides what is drawn for it. */
  measure(feeds: Tensors, index: number): Promise<{ readonly loss: number; readonly findings: Findings }>;
}

/** Opens what meets the needs that one backward pass meets, in inference mode. */
export async function openBackwardPass(
  runtime: Runtime,
  graph: Graph,
  needs: readonly PassNeed[],
  options: ProviderOptions,
): Promise<EvidenceProvider & { readonly groups: Analysis }> {
  const { batchSize, loss, targets, gates } = options;
  const build = (batch: number) => {
    const backward = appendBackward(graph, { batch, loss, targets, gates, needs, parameters: false, train: false });
    const outputs = nameEvidence(backward.builder, backward.evidence);
    if (outputs.length === 0) refuseNeeds(needs);
    const finished = finishGraph(backward.builder, ["loss", ...outputs.map(({ output }) => output)]);
    return { graph: finished, outputs, groups: backward.groups!, objective: backward.objective };
  };
  const bound = needs.some((need) => wholeBatchNeeds.has(need))
    ? "a criterion takes the gradients of single weights over all of it"
    : wholeBatchLoss(loss);
  const { microBatches, of } = fitMemory(graph, batchSize, options, build, bound);
  const { graph: finished, outputs, groups, objective } = of;
  const loaded = await runtime.load(executable(finished, options.device), options);
  const evidence = new Map(outputs.map((one) => [one.output, one]));
  const fed = new Set(finished.inputs.map(({ name }) => name));
  const session = inMicroBatches(loaded, microBatches, fed, (name, found) => {
    const own = evidence.get(name);
    return own ? joinEvidence(own, found) : meanOf(found.map((results) => results[name]!));
  });
  return {
    groups,
    inputs: minibatchInputs(finished.inputs, microBatches),
    objective,
    async measure(feeds) {
      const results = await session.run(feeds);
      return { loss: Number(results["loss"]!.data[0]), findings: findingsOf(outputs, groups, results) };
    },
    [Symbol.asyncDispose]: () => session.dispose(),
  };
}

const lacking: Readonly<Partial<Record<Need, string>>> = {
  gates: "no unit of the model has a gate that the loss depends on",
  weights: "no unit is produced by weights that the loss depends on",
  scales: "no unit passes through a BatchNormalization: the model has none, or all are folded",
  activations: "no unit is read by anything",
  subsets: "no group is small enough to try every subset of its units",
};

/** Fails where nothing of what a criterion needs is to be had of a model. */
export function refuseNeeds(needs: readonly Need[]): never {
  fail("unsupported", `the model cannot be scored: ${needs.map((need) => lacking[need] ?? need).join("; ")}`);
}
