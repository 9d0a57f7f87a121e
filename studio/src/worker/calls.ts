/** What the page asks of the worker, and what it is answered: plain data, by the name of the call. */

import type { Costs, Interval, Timing } from "secateur";

/** A file as the page got it; `path` has the folders that it was dropped with. */
export interface GivenFile {
  readonly path: string;
  readonly blob: Blob;
}

/** Which of the two models that can be open. */
export type Slot = "main" | "other";

export interface ValueView {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

/** A node of the file. `vertex` is the id of the vertex that it belongs to. */
export interface NodeView {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly macs: number;
  readonly params: number;
  readonly vertex: number;
  /** Why it is refused, where it is. */
  readonly refused?: string;
}

export type VertexKind = "group" | "frozen" | "input" | "output" | "rest";

/** A group of units, units that cannot go, an input or output, or the nodes that are of none of these. */
export interface Vertex {
  readonly id: number;
  readonly kind: VertexKind;
  readonly name: string;
  /** Units, or 0. */
  readonly units: number;
  readonly macs: number;
  readonly params: number;
  /** Indices of its nodes. */
  readonly nodes: readonly number[];
  /** Every axis that its units lie on, as `value:axis`. */
  readonly axes: readonly string[];
  /** Why units cannot go, or why removing them is not zeroing them. */
  readonly reasons: readonly string[];
  readonly shape?: string;
}

export interface NetworkView {
  readonly name: string;
  readonly bytes: number;
  readonly opset: number;
  readonly costs: Costs;
  readonly inputs: readonly ValueView[];
  readonly outputs: readonly ValueView[];
  readonly nodes: readonly NodeView[];
  readonly vertices: readonly Vertex[];
  /** Pairs of ids of vertices. */
  readonly edges: readonly (readonly [from: number, to: number])[];
  readonly refused: readonly { readonly node: string; readonly reason: string }[];
  readonly notFinite: readonly string[];
}

export interface Box {
  readonly id: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly edges: readonly {
    readonly from: number;
    readonly to: number;
    readonly points: readonly (readonly [x: number, y: number])[];
  }[];
}

/** Data for scoring, comparing and learning, as files or a set that is open already. */
export interface DataView {
  readonly name: string;
  readonly samples: number;
  readonly labelled: boolean;
  /** What the page says of it: sizes, classes, what was left out. */
  readonly notes: readonly string[];
}

export interface ScoreRequest {
  readonly criterion: string;
  readonly batchSize: number;
  readonly batches: number;
  readonly device: "cpu" | "webgpu";
}

export interface ScoresView {
  readonly criterion: string;
  /** The importances of each group, in the order of its units. */
  readonly groups: Readonly<Record<string, Float64Array>>;
  readonly seconds: number;
  /** What it was computed on, in words. */
  readonly machine: string;
}

export type BudgetKind = "macs" | "params" | "bytes";

/** What the sliders say. */
export interface Choice {
  readonly kind: BudgetKind;
  /** What is to be left of it, from 0 to 1. */
  readonly share: number;
  readonly roundTo: number;
  readonly normalise: "none" | "mean" | "max" | "sum" | "standardised" | "lamp";
  readonly per: "unit" | BudgetKind;
  /** Units that are left of groups whose own slider was moved. */
  readonly own: Readonly<Record<string, number>>;
}

export interface Preview {
  readonly costs: Costs;
  /** Units that are left, by group. */
  readonly widths: Readonly<Record<string, number>>;
  /** The share of all importance that goes. */
  readonly lost: number;
  /** By how much the loss is predicted to change, where importances are squares of such changes. */
  readonly change?: number;
  readonly met: boolean;
  /** Milliseconds that it took. */
  readonly took: number;
}

export interface CutView {
  readonly model: ArrayBuffer;
  readonly plan: string;
  readonly before: Costs;
  readonly after: Costs;
  /** The largest difference from zeroing, as a share of the largest value; absent where it was not proved. */
  readonly difference?: number;
  readonly elements?: number;
}

export interface LatencyView {
  readonly before: Timing;
  readonly after: Timing;
  readonly ratio: number;
  readonly machine: string;
}

export interface CompareView {
  readonly before: Costs;
  readonly after: Costs;
  readonly groups: readonly { readonly name: string; readonly before: number; readonly after: number }[];
  readonly outputs: readonly { readonly name: string; readonly max: number; readonly relative: number }[];
  readonly agreement?: number;
  readonly interval?: Interval;
  readonly top1?: readonly [before: number, after: number];
  readonly samples: number;
  /** The samples of the dropped data whose outputs are furthest apart, worst first. */
  readonly apart: readonly SampleApart[];
}

/** How far two models are apart on one sample. */
export interface SampleApart {
  /** Its place in the data, and its path where it is a picture. */
  readonly index: number;
  readonly path?: string;
  /** The one that is furthest apart, by its largest value, first. */
  readonly outputs: readonly OutputApart[];
  /** Of classifiers: those that either model puts first, by how sure the first one is. */
  readonly classes?: readonly ClassApart[];
  /** Whether what is told of classes are probabilities, as the outputs are; else they are the outputs. */
  readonly areShares?: boolean;
}

/** An output of two models on one sample. */
export interface OutputApart {
  readonly name: string;
  /** The largest difference, as a share of the first model's largest value. */
  readonly relative: number;
  readonly largest: number;
  readonly mean: number;
  /** Where it is: an index for each axis, and what stands there. */
  readonly at: readonly number[];
  readonly values: readonly [before: number, after: number];
  readonly shape: readonly number[];
}

export interface ClassApart {
  readonly name: string;
  readonly values: readonly [before: number, after: number];
  /** The place among all classes, from 1 on. */
  readonly places: readonly [before: number, after: number];
}

/** How the model is pruned with learning in between. */
export interface LearnRequest {
  readonly kind: Exclude<BudgetKind, "bytes">;
  readonly share: number;
  readonly criterion: string;
  /** Passes over the data after pruning. */
  readonly epochs: number;
  readonly batchSize: number;
  readonly device: "cpu" | "webgpu";
}

/** What happened on the way, for the charts. */
export interface LearnPoint {
  readonly step: number;
  readonly loss: number;
  /** What is left of the budget's costs, as a share. */
  readonly share: number;
}

export interface LearnView {
  readonly model: ArrayBuffer;
  /** What was left of the original's decisions or labels, in words. */
  readonly words: string;
  readonly end: string;
  readonly before: Costs;
  readonly after: Costs;
  readonly seconds: number;
  readonly machine: string;
}

/** How far work is. */
export interface Progress {
  readonly done: number;
  readonly all?: number;
  readonly what?: string;
  readonly point?: LearnPoint;
}

export interface Calls {
  open: { args: { slot: Slot; files: readonly GivenFile[] }; result: NetworkView };
  layout: { args: { slot: Slot; vertex?: number }; result: Layout };
  data: { args: { files: readonly GivenFile[] }; result: DataView };
  score: { args: ScoreRequest; result: ScoresView };
  preview: { args: { choice: Choice }; result: Preview };
  cut: { args: { choice: Choice; prove: boolean }; result: CutView };
  latency: { args: { rounds: number }; result: LatencyView };
  compare: { args: Record<string, never>; result: CompareView };
  learn: { args: LearnRequest; result: LearnView };
  machine: { args: Record<string, never>; result: { threads: number; isolated: boolean; webgpu: boolean } };
}
export type CallName = keyof Calls;

export type ToWorker =
  | { readonly id: number; readonly name: CallName; readonly args: unknown }
  | { readonly id: number; readonly abort: true };

export type FromWorker =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly message: string; readonly code: string } }
  | { readonly id: number; readonly progress: Progress };

/** What a call is given besides its arguments. */
export interface Calling {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}
