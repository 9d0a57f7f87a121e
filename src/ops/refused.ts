/** Operators that are not in the table on purpose, and what to do instead. */

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
  return `operator ${domain === "" ? "" : `${domain}.`}${name} is not known: its shape, gradient and channels would have to be stated`;
}
