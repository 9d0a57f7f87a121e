/** What there is to know of what is looked at: the network, a group, or a node. */

import { useComputed } from "@preact/signals";
import { bytes, percent, short } from "../../parts/format.ts";
import { inside, lookInside, network, node, select, selected } from "../../state/network.ts";
import { preview, scores } from "../../state/pruning.ts";
import type { NetworkView, NodeView, Vertex } from "../../worker/calls.ts";

export function Details() {
  const now = network.value;
  if (!now) return null;
  const one = node.value === undefined ? undefined : now.nodes[node.value];
  const vertex = selected.value === undefined ? undefined : now.vertices[selected.value];
  return (
    <section class="details" aria-label="Details" aria-live="polite">
      {one ? <OfNode one={one} now={now} /> : vertex ? <OfVertex vertex={vertex} now={now} /> : <OfNetwork now={now} />}
    </section>
  );
}

function OfNetwork({ now }: { readonly now: NetworkView }) {
  const counts = useComputed(() => {
    const of = (kind: Vertex["kind"]) => now.vertices.filter((vertex) => vertex.kind === kind);
    return { groups: of("group"), frozen: of("frozen") };
  });
  const { groups, frozen } = counts.value;
  const units = groups.reduce((sum, group) => sum + group.units, 0);
  return (
    <>
      <h2>{now.name}</h2>
      <dl>
        <dt>Multiply-accumulates</dt>
        <dd>{short(now.costs.macs)}</dd>
        <dt>Parameters</dt>
        <dd>{short(now.costs.params)}</dd>
        <dt>File</dt>
        <dd>
          {bytes(now.bytes)}, opset {now.opset}
        </dd>
        <dt>Nodes</dt>
        <dd>{now.nodes.length}</dd>
        <dt>Can be pruned</dt>
        <dd>
          {units} units in {groups.length} groups
        </dd>
      </dl>
      {groups.length === 0 && <p class="notice">No unit of this network can be removed. The reasons are below.</p>}
      {now.notFinite.length > 0 && (
        <p class="notice">These weights hold NaN or infinities: {now.notFinite.slice(0, 5).join(", ")}.</p>
      )}
      {now.refused.length > 0 && (
        <>
          <h3>Operators without a rule</h3>
          <ul>
            {now.refused.slice(0, 20).map(({ node: name, reason }) => (
              <li key={name}>
                <b>{name}</b>: {reason}
              </li>
            ))}
          </ul>
        </>
      )}
      {frozen.length > 0 && (
        <>
          <h3>Stays whole</h3>
          <ul class="links">
            {frozen.slice(0, 50).map((vertex) => (
              <li key={vertex.id}>
                <button type="button" class="link" onClick={() => select(vertex.id)}>
                  {vertex.name}
                </button>{" "}
                {vertex.reasons[0]}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function OfVertex({ vertex, now }: { readonly vertex: Vertex; readonly now: NetworkView }) {
  const { name, kind, units, macs, params, reasons, axes, nodes, shape } = vertex;
  const left = preview.value?.widths[name];
  const importances = scores.value?.groups[name];
  const isPort = kind === "input" || kind === "output";
  return (
    <>
      <h2>{name}</h2>
      <dl>
        {isPort ? (
          <>
            <dt>{kind === "input" ? "Input" : "Output"}</dt>
            <dd>{shape}</dd>
          </>
        ) : (
          <>
            <dt>Width</dt>
            <dd>
              {units} units{kind === "group" && left !== undefined && left !== units && `, ${left} are left`}
            </dd>
            <dt>Multiply-accumulates</dt>
            <dd>
              {short(macs)} ({percent(now.costs.macs > 0 ? macs / now.costs.macs : 0)})
            </dd>
            <dt>Parameters</dt>
            <dd>{short(params)}</dd>
          </>
        )}
        {importances && importances.length > 0 && (
          <>
            <dt>Importance</dt>
            <dd>
              {Math.min(...importances).toPrecision(3)} to {Math.max(...importances).toPrecision(3)}
            </dd>
          </>
        )}
      </dl>
      {reasons.length > 0 && (
        <>
          <h3>{kind === "frozen" ? "Why it stays whole" : "Removing is not zeroing here"}</h3>
          <ul>
            {reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        </>
      )}
      {nodes.length > 0 && (
        <>
          <h3>
            {nodes.length} {nodes.length === 1 ? "node" : "nodes"}
          </h3>
          {!inside.value && (
            <button type="button" onClick={() => void lookInside(vertex.id)}>
              Draw its nodes
            </button>
          )}
          <ul class="links">
            {nodes.slice(0, 100).map((id) => (
              <li key={id}>
                <button type="button" class="link" onClick={() => (node.value = id)}>
                  {now.nodes[id]!.op}
                </button>{" "}
                {now.nodes[id]!.name}
              </li>
            ))}
          </ul>
          {nodes.length > 100 && <p class="quiet">and {nodes.length - 100} more</p>}
        </>
      )}
      {axes.length > 0 && (
        <details>
          <summary>What goes together: {axes.length} places</summary>
          <ul class="quiet">
            {axes.slice(0, 200).map((axis) => (
              <li key={axis}>{axis}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function OfNode({ one, now }: { readonly one: NodeView; readonly now: NetworkView }) {
  const { op, name, inputs, outputs, attributes, macs, params, refused, vertex } = one;
  return (
    <>
      <h2>{op}</h2>
      <p class="quiet">{name}</p>
      {refused !== undefined && <p class="notice">{refused}</p>}
      <dl>
        <dt>Belongs to</dt>
        <dd>
          <button
            type="button"
            class="link"
            onClick={() => {
              void lookInside(undefined);
              select(vertex);
            }}
          >
            {now.vertices[vertex]!.name}
          </button>
        </dd>
        <dt>Multiply-accumulates</dt>
        <dd>{short(macs)}</dd>
        <dt>Parameters</dt>
        <dd>{short(params)}</dd>
        {attributes.map(([key, value]) => (
          <>
            <dt key={key}>{key}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
      <h3>Inputs</h3>
      <ul class="quiet">
        {inputs.map((input, i) => (
          <li key={`${i}`}>{input === "" ? "(left out)" : input}</li>
        ))}
      </ul>
      <h3>Outputs</h3>
      <ul class="quiet">
        {outputs.map((output) => (
          <li key={output}>{output}</li>
        ))}
      </ul>
    </>
  );
}
