/** Whether a graph is one: every value has one name and one producer, and is produced before it is read. */

import { fail } from "./error.ts";
import { bodies, describe, type Graph } from "./graph.ts";

/** Problems that one error lists. */
const listed = 5;

function quote(name: string): string {
  return `"${name}"`;
}

/** Whether a name can be read. Asked outwards, since a graph may have many bodies and each could see all of it. */
type Readable = (name: string) => boolean;

/** Collects what is wrong with one graph and its bodies; `outer` tells what a body may capture. */
function check(graph: Graph, outer: Readable, where: string, problems: string[]): void {
  const own = new Set<string>();
  const define = (name: string, what: string): void => {
    if (own.has(name)) problems.push(`${what}${where} defines ${quote(name)}, which is defined already`);
    own.add(name);
  };
  for (const { name } of graph.inputs) define(name, "an input");
  for (const name of graph.initializers.keys()) define(name, "an initializer");

  const produced = new Set(graph.nodes.flatMap((node) => node.outputs));
  const readable: Readable = (name) => own.has(name) || outer(name);
  for (const node of graph.nodes) {
    for (const name of new Set(node.inputs)) {
      if (name === "" || readable(name)) continue;
      const why = produced.has(name) ? "before it is produced" : "which no input, initializer or node produces";
      problems.push(`${describe(node)}${where} reads ${quote(name)}${produced.has(name) ? " " : ", "}${why}`);
    }
    if (node.outputs.length === 0) problems.push(`${describe(node)}${where} has no outputs`);
    for (const body of bodies(node)) check(body, readable, ` in a body of ${describe(node)}`, problems);
    for (const name of node.outputs) {
      if (name === "") continue;
      define(name, describe(node));
    }
  }
  for (const { name } of graph.outputs)
    if (!readable(name)) problems.push(`the output ${quote(name)}${where} is produced by nothing`);
}

/**
 * Checks the names of a graph and of the bodies in it; nodes must stand in order (see {@link sortNodes}).
 *
 * @throws SecateurError `bad-model` that lists the first problems, all in one line.
 */
export function verify(graph: Graph): void {
  const problems: string[] = [];
  check(graph, () => false, "", problems);
  const outputs = new Set<string>();
  for (const { name } of graph.outputs) {
    if (outputs.has(name)) problems.push(`${quote(name)} is listed twice as an output`);
    outputs.add(name);
  }
  if (problems.length === 0) return;
  const more = problems.length > listed ? `; and ${problems.length - listed} more` : "";
  fail("bad-model", `the graph is not valid: ${problems.slice(0, listed).join("; ")}${more}`);
}
