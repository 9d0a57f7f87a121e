/**
 * Secateur: structured pruning of ONNX models by Taylor importance. This entry is safe in a browser; `secateur/node` adds files,
 * data sets on disk and onnxruntime-node.
 */

export { SecateurError, type ErrorCode } from "./graph/error.ts";
export type { Attribute, Dim, Graph, Model, Node, Type, ValueInfo } from "./graph/graph.ts";
export type { DType, Shape, Tensor } from "./graph/tensor.ts";

export { loadModel } from "./onnx/load.ts";
export { encodeModel } from "./onnx/encode.ts";
export { internalOpset } from "./onnx/upgrade.ts";

export { ops } from "./ops/table.ts";

export { normalise, type NormaliseOptions } from "./passes/normalise.ts";
export { trace, type Traced, type TraceOptions } from "./passes/trace.ts";

export { findGroups, type FrozenGroup, type Group, type Groups, type Removal, type Unit } from "./prune/groups.ts";
export { findGates } from "./prune/gates.ts";
export { gatePlaces, type GatePlace } from "./prune/gate-places.ts";
export { cut, mask, type Cut } from "./prune/cut.ts";
export { assertProved, prove, type Mismatch, type Proof, type ProofOptions } from "./prune/prove.ts";
export { costsOf, type Costs } from "./prune/costs.ts";
export { formatPlan, parsePlan } from "./prune/plan.ts";
export {
  pers,
  scopes,
  selectShare,
  selectStep,
  type Per,
  type Scope,
  type SelectOptions,
  type Selection,
  type Target,
} from "./prune/select.ts";

export { criteria, findCriterion } from "./criteria/table.ts";
export { meanGradient, meanOver, needs } from "./criteria/criterion.ts";
export type {
  Context,
  Criterion,
  DataCriterion,
  Evidence,
  Need,
  Scores,
  WeightCriterion,
} from "./criteria/criterion.ts";
export { bestSubsets } from "./criteria/oracle-combinatorial.ts";

export { losses, targetSources, type Distillation, type Loss, type Targets } from "./train/losses.ts";
export { gradientGraph, type BackwardOptions } from "./train/gradients.ts";
export { blockOf } from "./train/blocks.ts";
export { prepare, withGraph } from "./train/prepare.ts";
export { score, scoreAll, type ScoreOptions } from "./train/score.ts";
export { allSubsets, maskedLosses, openOracle, type MaskedOptions, type Oracle } from "./train/oracle.ts";
export { curvatureGraph } from "./train/curvature.ts";
export { evaluate, type EvaluateOptions, type Evaluation } from "./train/evaluate.ts";
export type { LearnEvent, RemovalEvent, StepEvent } from "./train/events.ts";
export { finetune, type FinetuneOptions, type FinetunePoint, type LearnOptions } from "./train/finetune.ts";
export { pruneLoop, targetOf, type PruneOptions, type PrunePoint, type PruneResult } from "./train/prune.ts";
export type { SgdOptions } from "./train/optimisers.ts";

export { startJob, type Job } from "./jobs/job.ts";
export {
  prune,
  type Checkpoints,
  type EvaluationEvent,
  type GroupSize,
  type PruneJobEvent,
  type PruneJobOptions,
  type PruneOutcome,
  type PrunedEvent,
  type StartEvent,
  type State,
} from "./jobs/prune.ts";

export type { Augment, Batch, BatchOptions, Dataset } from "./data/batches.ts";
export type { Normalise } from "./data/normalise.ts";
export { imageDataset, split, take } from "./data/images.ts";

export { createRuntime, type Onnxruntime } from "./runtime/onnxruntime.ts";
export { useRuntime } from "./runtime/default.ts";
export type { Carried, LoadOptions, Runtime, Session } from "./runtime/port.ts";

export type { GroupRecord, RemovalRecord, RunConfig, RunRecord, RunSummary } from "./report/record.ts";
export { reportPage } from "./report/report.ts";
export { summarise, type GroupSummary, type Summary } from "./report/summary.ts";
export { tensorboardEvents } from "./report/tensorboard.ts";
export { newModel, zoo, type ZooName } from "./zoo/zoo.ts";
