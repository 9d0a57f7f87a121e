/** The opset and IR version of what is written: a file's as it came, the internal ones for the runtime. */

import { describe, type Model } from "../graph/graph.ts";
import type { DType } from "../graph/tensor.ts";
import { takeBack } from "./aside.ts";
import { toOpset, type Lowered } from "./downgrade.ts";
import { formOf } from "../graph/forms.ts";
import { internalOpset } from "./opsets.ts";

export interface FormOptions {
  /** The opset of the ONNX standard to write, 7 to 26; default that of the file that the model came from. */
  readonly opset?: number | undefined;
}

/** In which form a model was written. */
export interface FileForm {
  readonly opset: number;
  /** Why the opset is higher than was wanted, in one line; absent where it is not. */
  readonly raised?: string;
}

/** The IR version that first carried an opset, newest first. */
const irVersions: readonly (readonly [opset: number, irVersion: number])[] = [
  [25, 13],
  [24, 12],
  [23, 11],
  [21, 10],
  [19, 9],
  [15, 8],
  [12, 7],
  [11, 6],
  [10, 5],
  [9, 4],
];

/** Before IR 3 opsets are not named. */
const oldestIr = 3;

/** The IR version that carries an opset of the standard at least. */
const irVersionOf = (opset: number): number => irVersions.find(([since]) => opset >= since)?.[1] ?? oldestIr;

/** Element types that came with an IR version. */
const irVersionOfType: Readonly<Partial<Record<DType, number>>> = {
  bfloat16: 4,
  float8e4m3fn: 9,
  float8e4m3fnuz: 9,
  float8e5m2: 9,
  float8e5m2fnuz: 9,
  int4: 10,
  uint4: 10,
  float4e2m1: 11,
  float8e8m0: 12,
  int2: 13,
  uint2: 13,
};

function irVersionFor(model: Model, opset: number): number {
  const { fileOpset, graph } = model;
  const values = [...graph.initializers.values(), ...graph.inputs, ...graph.outputs, ...graph.info.values()];
  const types = new Set(values.map(({ dtype }) => dtype));
  const wanted = [...types].map((dtype) => irVersionOfType[dtype] ?? 0);
  const floor = Math.max(oldestIr, ...wanted);
  const carries = irVersionOf(opset);
  // A file says what its readers can read: many are of an opset that came after their IR version.
  if (opset === fileOpset) return Math.max(floor, model.irVersion);
  // Who asks for an older opset has an older reader. Below 4 weights would be inputs.
  if (fileOpset !== undefined && opset < fileOpset)
    return Math.max(floor, Math.min(model.irVersion, Math.max(carries, 4)));
  return Math.max(floor, model.irVersion, carries);
}

/** Nodes that a line names. */
const named = 3;

function explain(wanted: number, { opset, because }: Lowered): string {
  const names = [...new Set(because.map((node) => describe(node)))];
  const more = names.length > named ? ` and ${names.length - named} more` : "";
  return `opset ${wanted} can't say ${names.slice(0, named).join(", ")}${more}: written in opset ${opset}`;
}

/** The opset of a model that was never brought to the internal one. */
function ownOpset({ opsets, fileOpset }: Model): number | undefined {
  const opset = opsets[""] ?? internalOpset;
  return fileOpset === undefined && opset !== internalOpset ? opset : undefined;
}

/**
 * A model as its file is to be: in the opset asked for, else that of the file it came from, or the
 * next that can say what it does. The IR version is that of the file, unless the opset is raised or
 * lowered or an element type needs more.
 *
 * @throws SecateurError `bad-option` for an opset that is not written, `unsupported` naming
 * a node that no opset but another has
 */
export function fileForm(model: Model, { opset }: FormOptions = {}): FileForm & { readonly model: Model } {
  const own = ownOpset(model);
  if (opset === undefined && own !== undefined)
    return {
      opset: own,
      model: { ...takeBack(model, own, own), irVersion: Math.max(model.irVersion, oldestIr) },
    };
  const wanted = opset ?? model.fileOpset ?? internalOpset;
  const lowered = toOpset(model, wanted);
  return {
    opset: lowered.opset,
    ...(lowered.because.length > 0 && { raised: explain(wanted, lowered) }),
    model: {
      ...takeBack(lowered.model, model.fileOpset ?? lowered.opset, lowered.opset),
      irVersion: irVersionFor(model, lowered.opset),
    },
  };
}

/** A model as the runtime is to load it: in the internal opset, or in the one of nodes that have kept their form. */
export function runtimeForm(loaded: Model): Model {
  const { aside: _, ...model } = loaded;
  if (ownOpset(model) !== undefined) return model;
  const forms = model.graph.nodes.flatMap((node) => formOf(node) ?? []);
  const { model: made, opset } = toOpset(model, forms[0] ?? internalOpset);
  return { ...made, irVersion: Math.max(model.irVersion, irVersionOf(opset), 4) };
}
