/** What mutants are made by and taken through: `secateur/graph`, and what makes networks and knows operators. */

export * from "../../dist/graphs-node.js";
export { newModel } from "../../dist/jobs/new-model.js";
export { ops } from "../../dist/ops/table.js";
