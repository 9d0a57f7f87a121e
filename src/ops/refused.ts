/** Operators that are not in the table on purpose, and what to do instead. */

import { formOf } from "../graph/forms.ts";

const onIntegers =
  "computes on integers, through which nothing learns and no unit can be zeroed; export the model with QuantizeLinear and " +
  "DequantizeLinear around operators on floats, or prune it before it is quantised";

const reasons: Readonly<Record<string, string>> = {
  ConvInteger: onIntegers,
  DynamicQuantizeLinear: onIntegers,
  MatMulInteger: onIntegers,
  QLinearConv: onIntegers,
  QLinearMatMul: onIntegers,
};

/** Why an operator that the table does not have is not known. */
export function explainUnknown(name: string, domain: string): string {
  const why = domain === "" && Object.hasOwn(reasons, name) ? reasons[name] : undefined;
  if (why !== undefined) return `operator ${name} ${why}`;
  const form = formOf({ domain });
  if (form !== undefined)
    return `operator ${name} as opset ${form} has it says what opset 23 has no word for: export the model with a newer opset`;
  return `operator ${domain === "" ? "" : `${domain}.`}${name} is not known: its shape, gradient and channels would have to be stated`;
}
