/** What is left where groups go as a whole, or which of them cannot. */

import { fail, SecateurError } from "../../graph/error.ts";
import type { Graph } from "../../graph/graph.ts";
import { removeWholeGroups, type WholeGroupRemoval } from "./whole-group.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { wholesOf, type Removal } from "../coupling/removal.ts";

/** What is left of the nodes, or an error that names the groups which cannot go as a whole. */
export function removeWholeGroupsOf(
  graph: Graph,
  analysis: Analysis,
  removal: Removal,
  gone: ReadonlySet<string>,
): WholeGroupRemoval {
  try {
    return removeWholeGroups(graph, analysis, gone);
  } catch (error) {
    if (!(error instanceof SecateurError) || error.code !== "unsupported") throw error;
    const names = wholesOf(analysis, removal).map(({ name, units }) => `all ${units.length} units of group "${name}"`);
    fail("bad-plan", `the plan removes ${names.join(" and ")}; at least one must stay: ${error.message}`, error);
  }
}
