/**
 * Secateur: structured pruning of ONNX models by Taylor importance. This entry is safe in a browser; in
 * Node, `secateur` is `node.ts`, which adds files, data sets on disk and onnxruntime-node. What the
 * commands are made of is `secateur/graph`.
 */

export { load, type ByteSource, type LoadModelOptions as LoadOptions, type ModelSource } from "./jobs/load.ts";
export { newModel } from "./jobs/new-model.ts";
export type { NewModelOptions, ZooName } from "./zoo/zoo.ts";
export { encodeModel } from "./onnx/encode.ts";
export type { FileForm, FormOptions } from "./onnx/file-form.ts";

export { inspect, type InspectOptions } from "./jobs/inspect.ts";
export type { GroupSummary, Summary as ModelSummary } from "./prune/summary.ts";
export { score, type ScoreJobOptions as ScoreOptions } from "./jobs/score.ts";
export { mergeScores, type MergeScoresOptions } from "./jobs/merge-scores.ts";
export { formatPart, type ScorePart } from "./distribute/part.ts";
export type { Shard } from "./options/distribute.ts";
export type { Scores } from "./criteria/criterion.ts";
export { plan, type Plan as PruningPlan, type PlannedGroup, type PlanOptions } from "./jobs/plan.ts";
export { formatPlan, parsePlan } from "./prune/select/plan.ts";
export { cut, mask, type CutOptions, type CutOutcome, type MaskOutcome } from "./jobs/cut.ts";
export type { Removal } from "./prune/coupling/removal.ts";
export type { Proof } from "./prune/proof/prove.ts";

export { prune } from "./jobs/prune.ts";
export type { PruneJobOptions as PruneOptions } from "./jobs/prune-options.ts";
export type { PruneJobEvent as PruneEvent, PruneOutcome } from "./jobs/prune-events.ts";
export type { Budget, LatencyBudget, RemovalSchedule } from "./options/budget.ts";
export type { Limits as RemovalLimits } from "./options/ranking.ts";
export { finetune, train } from "./jobs/train.ts";
export type {
  EpochEvent,
  FinetuneJobOptions as FinetuneOptions,
  TrainJobEvent as TrainEvent,
  TrainJobOptions as TrainOptions,
} from "./jobs/train.ts";
export type { OptimiserOptions } from "./options/learning.ts";
export type { Checkpoints } from "./jobs/checkpoints.ts";
export { recalibrate, type RecalibrateJobOptions as RecalibrateOptions } from "./jobs/recalibrate.ts";

export { evaluate, type EvaluateJobOptions as EvaluateOptions } from "./jobs/evaluate.ts";
export type { Evaluation } from "./evaluate/evaluate.ts";
export { compare, type CompareJobOptions as CompareOptions, type CompareOutcome } from "./jobs/compare.ts";
export type { Costs } from "./passes/costs.ts";
export type { Interval } from "./evaluate/intervals.ts";
export type { Timing } from "./evaluate/timing.ts";

export type { Job, ProgressEvent } from "./jobs/job.ts";
export { SecateurError, type ErrorCode } from "./graph/error.ts";
export type { Model } from "./graph/graph.ts";
export type { DType, Shape, Tensor } from "./graph/tensor.ts";

export type {
  Context as CriterionContext,
  Criterion,
  DataCriterion,
  Evidence as CriterionEvidence,
  WeightCriterion,
} from "./criteria/criterion.ts";
export type { Metric, MetricBatch, MetricCount, MetricName } from "./options/metric.ts";
export type { MetricValue } from "./evaluate/metrics.ts";

export { arrayDataset, imageDataset, npzDataset, type NpzOptions } from "./jobs/datasets.ts";
export type { ArraySource } from "./data/arrays.ts";
export type { Augment, Batch, BatchOptions, Dataset } from "./data/batches.ts";
export type { ClassList } from "./data/class-list.ts";
export type { PixelForm } from "./data/form.ts";
export type { ImageSource } from "./data/images.ts";
export { presets, type PresetName } from "./data/normalise.ts";
export { preprocessingOf, withPreprocessing, type Preprocessing } from "./data/preprocessing.ts";
export { split, take } from "./data/splits.ts";

export { createRuntime, type Onnxruntime, type RuntimeOptions } from "./runtime/onnxruntime.ts";
export { useRuntime } from "./runtime/default.ts";
export { devices, type Device, type Runtime, type Session } from "./runtime/port.ts";
