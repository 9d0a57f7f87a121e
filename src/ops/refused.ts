/** Operators that are not in the table on purpose, and what to do instead. */

import { formOf } from "../graph/forms.ts";

const onIntegers =
  "computes on integers, through which nothing learns and no unit can be zeroed; export the model with " +
  "QuantizeLinear and DequantizeLinear around operators on floats, or prune it before it is quantised";

const reasons: Readonly<Record<string, string>> = {
  ConvInteger: onIntegers,
  DynamicQuantizeLinear: onIntegers,
  MatMulInteger: onIntegers,
  QLinearConv: onIntegers,
  QLinearMatMul: onIntegers,
};

/** For operators on integers: the inputs that hold weights, and those that say what their integers stand for. */
const integers: Readonly<Record<string, { readonly weights: readonly number[]; readonly by: readonly number[] }>> = {
  ConvInteger: { weights: [1], by: [2, 3] },
  MatMulInteger: { weights: [1], by: [2, 3] },
  QLinearConv: { weights: [3, 8], by: [1, 2, 4, 5, 6, 7] },
  QLinearMatMul: { weights: [0, 3], by: [1, 2, 4, 5, 6, 7] },
  "com.microsoft.DynamicQuantizeMatMul": { weights: [1], by: [2, 3] },
  "com.microsoft.MatMulIntegerToFloat": { weights: [1], by: [2, 3, 4, 5] },
  "com.microsoft.MatMulNBits": { weights: [1], by: [2, 3] },
  "com.microsoft.QGemm": { weights: [3, 6], by: [1, 2, 4, 5, 7, 8] },
};

/** Where an operator that is not in the table takes quantised weights; `undefined` where none are known. */
export const integersOf = (name: string, domain: string) =>
  Object.entries(integers).find(([key]) => key === (domain === "" ? name : `${domain}.${name}`))?.[1];

/** Whose operators the optimisers of onnxruntime write. */
const optimised = /^com\.microsoft(\.|$)|^com\.ms\./;

/** What to do about an operator that the table does not have, a sentence. */
export function adviseUnknown(name: string, domain: string): string | undefined {
  if (domain === "" && Object.hasOwn(reasons, name)) return undefined;
  if (formOf({ domain }) !== undefined) return "Export the model with a newer opset.";
  if (integersOf(name, domain)) return "It computes on integers: prune the model before it is quantised.";
  if (optimised.test(domain))
    return (
      "onnxruntime's optimiser writes it: prune the model as it was before, or save it at the optimisation level " +
      "basic, and optimise what comes out."
    );
  if (domain === "" && ["If", "Loop", "Scan", "SequenceMap"].includes(name))
    return "Export the model without control flow, for example by tracing it instead of scripting it.";
  if (domain !== "") return "Write it by operators of the ONNX standard and export the model again.";
  return undefined;
}

/** Why an operator that the table does not have is not known. */
export function explainUnknown(name: string, domain: string): string {
  const why = domain === "" && Object.hasOwn(reasons, name) ? reasons[name] : undefined;
  if (why !== undefined) return `operator ${name} ${why}`;
  const form = formOf({ domain });
  if (form !== undefined)
    return (
      `operator ${name} as opset ${form} has it says what opset 23 has no word for: ` +
      "export the model with a newer opset"
    );
  const what = `operator ${domain === "" ? "" : `${domain}.`}${name} is not known`;
  return optimised.test(domain) && !integersOf(name, domain)
    ? `${what}; onnxruntime's optimiser writes it: ` +
        "use the model as it was before, or saved at the optimisation level basic"
    : `${what}: its shape, gradient and channels would have to be stated`;
}
