/** What is known of a graph at one batch and sizes: each part is found when it is first asked for, and once. */

import { producersOf, readersOf, type Graph, type Node } from "../../graph/graph.ts";
import { lazily, once } from "../../graph/lazy.ts";
import type { Setting } from "../../passes/choose-sizes.ts";
import { costsOf, type Costs } from "../../passes/costs.ts";
import { trace, type TraceOptions } from "../../passes/trace.ts";
import { widen } from "../../passes/widen.ts";
import { activations, couple } from "./couple.ts";
import { findGroups, type Facts, type Found, type Group } from "./groups.ts";
import { linksOf, type Links } from "./links.ts";
import { findLost, type LostBy } from "./lost.ts";
import { fewestOf, otherSettings, settingOf, settledBy } from "./other-settings.ts";

/**
 * A graph with all that follows from it: the first look at a part computes it, and may throw what that throws. A copy
 * by `...` looks at all of it; {@link withGroups} does not.
 */
export interface Analysis extends Facts, Found {
  readonly graph: Graph;
  /** The batch and sizes that it was traced at. */
  readonly setting: Setting;
  /** For every value, the nodes that read its elements, as opposed to its shape alone. */
  readonly elementReaders: ReadonlyMap<string, readonly Node[]>;
  /** For every node, which axes it passes on. */
  readonly links: Links;
  readonly costs: Costs;
  /** What goes from the axes of values with a unit. */
  readonly lostBy: LostBy;
  /** The number of units of all groups. */
  readonly units: number;
  /** The same in float32, in which all is measured and learned; itself where the graph has no other floats. */
  readonly wide: Analysis;
  /**
   * The graph at another batch, and at other sizes of all other open axes. It may not run
   * at all of them: see {@link traceAt}.
   */
  readonly others: readonly Analysis[];
  /** Those of them that tell all that others tell. */
  readonly fewest: readonly Analysis[];
  /** Whether an axis of a value is as long at other sizes. */
  readonly isSettled: (value: string, axis: number) => boolean;
}

type Parts = { readonly [Key in keyof Analysis]: () => Analysis[Key] };

/**
 * Looks at a graph.
 *
 * @param setting the batch and sizes that it is looked at with; default a batch of 1, and the
 * sizes that {@link normalise} has chosen
 */
export const analyse = (graph: Graph, setting: TraceOptions = {}): Analysis =>
  analysisOf(graph, { traced: () => trace(graph, setting) });

/** An analysis with some groups in the place of its own, and of a graph that differs in their names at most. */
export const withGroups = (known: Analysis, groups: readonly Group[], graph = known.graph): Analysis =>
  analysisOf(graph, {
    traced: () => ({ ...known.traced, graph }),
    coupling: () => known.coupling,
    links: () => known.links,
    lostBy: () => known.lostBy,
    groups: () => groups,
    frozen: () => known.frozen,
  });

function analysisOf(graph: Graph, parts: Pick<Parts, "traced"> & Partial<Parts>): Analysis {
  const found = once(() => findGroups(analysis));
  const analysis: Analysis = lazily<Analysis>({
    graph: () => graph,
    setting: () => settingOf(analysis.traced),
    activations: () => activations(analysis.traced),
    producers: () => producersOf(graph),
    readers: () => readersOf(graph),
    elementReaders: () => elementReaders(analysis),
    links: () => linksOf(analysis.traced),
    coupling: () => couple(analysis.traced),
    groups: () => found().groups,
    frozen: () => found().frozen,
    costs: () => costsOf(analysis.traced),
    lostBy: () => findLost(analysis.coupling),
    units: () => analysis.groups.reduce((sum, { units }) => sum + units.length, 0),
    wide: () => {
      const wide = widen(graph);
      return wide === graph ? analysis : analyse(wide, analysis.setting);
    },
    others: () =>
      otherSettings(analysis.traced).map((setting) =>
        analysisOf(graph, { traced: () => trace(graph, setting), setting: () => setting }),
      ),
    fewest: () => fewestOf(analysis.traced, analysis.others),
    isSettled: () => settledBy(analysis.traced, analysis.fewest),
    ...parts,
  });
  return analysis;
}

function elementReaders({ readers, traced: { constants } }: Pick<Analysis, "readers" | "traced">): Map<string, Node[]> {
  const isKnown = ({ outputs }: Node): boolean => outputs.every((name) => name === "" || constants.has(name));
  return new Map([...readers].map(([name, list]) => [name, list.filter((node) => !isKnown(node))]));
}
