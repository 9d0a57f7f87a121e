/**
 * Secateur: structured pruning of ONNX models by Taylor importance. This entry is safe in a browser; in Node, `secateur` is `node.ts`, which adds
 * files, data sets on disk and onnxruntime-node.
 *
 * The commands come first, on models. What they are made of works on graphs and takes its runtime as an argument; where both have a
 * name, that of the latter ends in `Graph`.
 */

export { load, type ByteSource, type LoadModelOptions, type ModelSource } from "./jobs/load.ts";
export { inspect } from "./jobs/inspect.ts";
export { withTrial } from "./jobs/trial.ts";
export { score, type ScoreJobOptions } from "./jobs/score.ts";
export { plan, type Plan, type PlannedGroup, type PlanOptions } from "./jobs/plan.ts";
export { cut, mask, type CutOptions, type CutOutcome, type MaskOutcome } from "./jobs/cut.ts";
export { prune } from "./jobs/prune.ts";
export type {
  EvaluationEvent,
  GroupSize,
  LatencyEvent,
  TimedEvent,
  PhaseEvent,
  PruneJobEvent,
  PruneOutcome,
  PrunedEvent,
  ResumeEvent,
  SearchEvent,
  StartEvent,
  State,
} from "./jobs/prune-events.ts";
export type { Ranking } from "./jobs/ranking.ts";
export type { ScheduleEvent } from "./jobs/pace.ts";
export type { Checkpoints } from "./jobs/checkpoints.ts";
export type { PruneJobOptions } from "./jobs/prune-options.ts";
export { finetune, train, type EpochEvent, type TrainJobEvent, type TrainJobOptions } from "./jobs/train.ts";
export type { WorkersEvent } from "./jobs/workers.ts";
export { evaluate, type EvaluateJobOptions } from "./jobs/evaluate.ts";
export { compare, type CompareJobOptions, type CompareOutcome, type DataComparison } from "./jobs/compare.ts";
export { startJob, type Job, type JobOptions, type ProgressEvent, type RunOptions } from "./jobs/job.ts";

export { SecateurError, type ErrorCode } from "./graph/error.ts";
export type { Attribute, Dim, Graph, Model, Node, Type, ValueInfo } from "./graph/graph.ts";
export type { DType, Shape, Tensor } from "./graph/tensor.ts";

export { loadModel } from "./onnx/load.ts";
export { encodeModel } from "./onnx/encode.ts";
export { fileForm, type FileForm, type FormOptions } from "./onnx/file-form.ts";
export { internalOpset } from "./onnx/upgrade.ts";

export { ops } from "./ops/table.ts";

export { normalise, type NormaliseOptions } from "./passes/normalise.ts";
export { trace, type Traced, type TraceOptions } from "./passes/trace.ts";

export {
  findGroups,
  type FrozenGroup,
  type Group,
  type Groups,
  type Removal,
  type Unit,
} from "./prune/coupling/groups.ts";
export { findGates } from "./prune/gates/gates.ts";
export { gatePlaces, type GatePlace } from "./prune/gates/gate-places.ts";
export { cut as cutGraph, type Cut } from "./prune/cut/cut.ts";
export { mask as maskGraph } from "./prune/cut/mask.ts";
export { type Difference } from "./prune/proof/differ.ts";
export { assertProved, prove, type Mismatch, type Proof, type ProofOptions } from "./prune/proof/prove.ts";
export { costsOf, type Costs } from "./prune/select/costs.ts";
export { changesOf, type Changes, type GroupChange } from "./prune/changes.ts";
export type { Cause } from "./prune/causes.ts";
export { summarise, type GroupSummary, type Summary, type SummaryOptions } from "./prune/summary.ts";
export { formatPlan, parsePlan } from "./prune/select/plan.ts";
export {
  selectShare,
  selectStep,
  type SelectOptions,
  type Selection,
  type Budget,
  type StepChoice,
} from "./prune/select/select.ts";
export { normalisations, pers, scopes, type Normalisation, type Per, type Scope } from "./prune/select/ranking.ts";
export { whyNotWhole } from "./prune/cut/whole.ts";
export { floorsOf, namesGroup, ratiosOf, type Limits } from "./prune/select/limits.ts";
export { scheduleKinds, type RemovalSchedule, type ScheduleKind } from "./prune/select/schedule.ts";
export {
  openLatency,
  type GoalOptions,
  type LatencyBudget,
  type LatencyGoal,
  type LatencyRow,
} from "./evaluate/latency.ts";
export { measureLatency, timingOf, type Timing, type TimingOptions } from "./evaluate/timing.ts";

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

export { losses, targetSources, type Distillation, type Loss, type Targets } from "./objective/losses.ts";
export { gradientGraph, type BackwardOptions } from "./objective/backward.ts";
export { channelBlockOf } from "./execute/channel-block.ts";
export { prepare, withGraph } from "./execute/prepare.ts";
export { score as scoreGraph, scoreAll, type ScoreOptions } from "./score/score.ts";
export { groupLosses, groupScales, type GroupLoss, type GroupLossOptions } from "./score/group-losses.ts";
export { allSubsets, maskedLosses, openOracle, type MaskedOptions, type Oracle } from "./score/oracle.ts";
export { curvatureGraph } from "./score/curvature.ts";
export { evaluate as evaluateGraph, type EvaluateOptions, type Evaluation } from "./evaluate/evaluate.ts";
export {
  checkMetric,
  lostBetween,
  metricNames,
  type Better,
  type Metric,
  type MetricBatch,
  type MetricCount,
  type MetricName,
  type MetricValue,
} from "./evaluate/metrics.ts";
export {
  compare as compareGraphs,
  compareOutputs,
  type CompareOptions,
  type Comparison,
  type Pair,
  type Quality,
} from "./evaluate/compare.ts";
export { dropOf, type Drop } from "./evaluate/drop.ts";
export { intervalOf, intervalOfLoss, type Changed, type Interval } from "./evaluate/intervals.ts";
export type { DivergedEvent, LearnEvent, RateEvent, RemovalEvent, StepEvent, TrialEvent } from "./train/events.ts";
export type { RecomputedStep } from "./train/activation-checkpointing.ts";
export {
  finetune as finetuneGraph,
  type FinetuneOptions,
  type FinetunePoint,
  type LearnOptions,
} from "./train/finetune.ts";
export type { Written } from "./loop/masking-trainer.ts";
export { pruneLoop, absoluteBudget, type PruneOptions, type PrunePoint, type PruneResult } from "./loop/prune.ts";
export { optimisers, type AdamwOptions, type OptimiserOptions, type SgdOptions } from "./train/optimisers.ts";
export { recalibrate, type RecalibrateJobOptions } from "./jobs/recalibrate.ts";
export { recalibrate as recalibrateGraph, type RecalibrateOptions } from "./train/recalibrate.ts";
export { averagedGraph, type TrainerState } from "./train/step.ts";
export { rateSchedules, type RateSchedule, type RateScheduleName } from "./train/schedules.ts";

export type { Augment, Batch, BatchOptions, Dataset } from "./data/batches.ts";
export { preprocessingOf, preprocessingKey, withPreprocessing, type Preprocessing } from "./data/preprocessing.ts";
export { builtInLists, withClasses, type BuiltInList, type ClassList } from "./data/class-list.ts";
export type { Normalise } from "./data/normalise.ts";
export { presets, type PresetName } from "./data/normalise.ts";
export type { ArraySource } from "./data/arrays.ts";
export type { ImageSource } from "./data/images.ts";
export { arrayDataset, imageDataset } from "./jobs/datasets.ts";
export type { Channels, Layout, PixelForm } from "./data/form.ts";
export { split, take } from "./data/splits.ts";

export { createRuntime, type Onnxruntime } from "./runtime/onnxruntime.ts";
export { useRuntime } from "./runtime/default.ts";
export { devices, type Carried, type Device, type LoadOptions, type Runtime, type Session } from "./runtime/port.ts";

export type {
  GroupRecord,
  LearnSummary,
  PruneSummary,
  RemovalRecord,
  RunConfig,
  RunEvent,
  RunRecord,
  RunSummary,
} from "./report/record.ts";
export { reportPage } from "./report/report.ts";
export { tensorboardEvents } from "./report/tensorboard.ts";
export { newModel } from "./jobs/new-model.ts";
export { zoo, type ZooName } from "./zoo/zoo.ts";
