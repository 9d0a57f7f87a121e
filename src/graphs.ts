/**
 * `secateur/graph`: what the commands of `secateur` are made of, for those who build on it. It works on graphs and
 * takes its runtime as an argument; where a command has the name, that of the function on graphs ends in `Graph`. Safe
 * in a browser; in Node it is `graphs-node.ts`.
 */

export { loadModel } from "./onnx/load.ts";
export { encodeModel } from "./onnx/encode.ts";
export { SecateurError, type ErrorCode } from "./graph/error.ts";
export type { Attribute, Dim, Graph, Model, Node, ValueInfo } from "./graph/graph.ts";
export { prepare, withGraph } from "./execute/prepare.ts";
export { normalise as normaliseGraph, type NormaliseOptions } from "./passes/normalise.ts";
export { trace, type Traced, type TraceOptions } from "./passes/trace.ts";

export { analyse, type Analysis } from "./prune/coupling/analysis.ts";
export type { FrozenGroup, Group, Unit as PrunableUnit } from "./prune/coupling/groups.ts";
export type { Removal } from "./prune/coupling/removal.ts";
export { findGates } from "./prune/gates/gates.ts";
export {
  gatePlaces,
  type GatePlace,
  normalisations,
  pers,
  type Normalisation,
  type Per,
  type Scope,
  type Limits as RemovalLimits,
} from "./options/ranking.ts";
export { cut as cutGraph, type Cut as CutGraph } from "./prune/cut/cut.ts";
export { mask as maskGraph } from "./prune/cut/mask.ts";
export { formatPlan, parsePlan } from "./prune/select/plan.ts";
export { prove, type Mismatch, type Proof, type ProofOptions } from "./prune/proof/prove.ts";
export { macsByNode, parametersIn, type Costs } from "./passes/costs.ts";
export { createCostModel, type CostModel } from "./prune/select/cost-model.ts";
export { removalPath, selectShare, selectStep } from "./prune/select/select.ts";
export type { Budget, RemovalSchedule } from "./options/budget.ts";
export type { PathStep, Selection, SelectOptions, StepChoice } from "./prune/select/select.ts";

export { criteria, findCriterion } from "./criteria/table.ts";
export { meanGradient, meanOver, needs, type Need as CriterionNeed, type Scores } from "./criteria/criterion.ts";
export { bestSubsets } from "./criteria/oracle-combinatorial.ts";
export type { Targets as TargetSource } from "./options/learning.ts";
export type { Loss } from "./options/loss.ts";
export { gradientGraph, type BackwardOptions } from "./objective/backward.ts";
export { score as scoreGraph, scoreAll, type ScoreOptions as ScoreGraphOptions } from "./score/score.ts";
export { groupLosses, groupScales, type GroupLoss, type GroupLossOptions } from "./score/group-losses.ts";
export { allSubsets, maskedLosses, openOracle, type MaskedOptions, type Oracle } from "./score/oracle.ts";

export { evaluate as evaluateGraph, type EvaluateOptions as EvaluateGraphOptions } from "./evaluate/evaluate.ts";
export type { Evaluation } from "./evaluate/evaluate.ts";
export { compare as compareGraphs, compareOutputs } from "./evaluate/compare.ts";
export type { CompareOptions as CompareGraphsOptions, Comparison, Pair as BeforeAfter } from "./evaluate/compare.ts";
export { measureLatency, type Timing, type TimingOptions } from "./evaluate/timing.ts";

export { finetune as finetuneGraph, type FinetuneOptions as FinetuneGraphOptions } from "./train/finetune.ts";
export { machinesHere } from "./train/machines.ts";
export type { IntervalAnswer, IntervalTask, Machines, Spread } from "./train/spread.ts";
export {
  recalibrate as recalibrateGraph,
  type RecalibrateOptions as RecalibrateGraphOptions,
} from "./train/recalibrate.ts";
export { absoluteBudget, pruneLoop } from "./loop/prune.ts";
export type { PruneOptions as PruneLoopOptions, PruneResult as PruneLoopResult } from "./loop/options.ts";

export { createRuntime, type Onnxruntime, type RuntimeOptions } from "./runtime/onnxruntime.ts";
export type {
  Carried as CarriedTensor,
  Device,
  LoadOptions as SessionOptions,
  Runtime,
  Session,
} from "./runtime/port.ts";
