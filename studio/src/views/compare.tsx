/** Two models side by side: what they cost, how wide they are, and how far their outputs are apart. */

import { CostTable, WidthList } from "../parts/costs.tsx";
import { percent } from "../parts/format.ts";
import { filesIn } from "../parts/files.ts";
import { comparison, compareCut, openOther, other } from "../state/comparison.ts";
import { network } from "../state/network.ts";
import { data, result } from "../state/pruning.ts";
import { Apart } from "./apart.tsx";
import type { CompareView } from "../worker/calls.ts";

export function ComparePage() {
  const [now, second, found] = [network.value, other.value, comparison.value];
  if (!now) return null;
  return (
    <div class="columns one">
      <section class="card">
        <h2>{second ? `${now.name} and ${second.name}` : `${now.name} and another model`}</h2>
        <p>
          {data.value
            ? `Outputs are compared on ${data.value.samples} samples of ${data.value.name}.`
            : "Outputs are compared on random inputs. Drop pictures or an .npz file to compare on those."}
        </p>
        <div class="row">
          <label class="file">
            <span>Open another model</span>
            <input
              type="file"
              multiple
              accept=".onnx,*/*"
              onChange={(event) => void openOther(filesIn(event.currentTarget))}
            />
          </label>
          <button type="button" disabled={!result.value} onClick={() => void compareCut()}>
            Compare with the small model
          </button>
        </div>
      </section>
      {found && <Costs found={found} />}
      {found && <Outputs found={found} />}
      {found && found.apart.length > 0 && <Apart apart={found.apart} />}
      {found && <Widths found={found} />}
    </div>
  );
}

function Costs({ found: { before, after } }: { readonly found: CompareView }) {
  return (
    <section class="card">
      <h2>Costs</h2>
      <CostTable before={before} after={after} heads={["first", "second", "second / first"]} />
    </section>
  );
}

function Outputs({ found: { outputs, agreement, interval, top1, samples } }: { readonly found: CompareView }) {
  const worst = outputs.toSorted((a, b) => b.relative - a.relative);
  return (
    <section class="card">
      <h2>Outputs</h2>
      {agreement !== undefined && (
        <p>
          They agree on <b>{percent(agreement)}</b> of {samples} samples
          {interval && ` (${percent(interval.low)} to ${percent(interval.high)} with 95 % confidence)`}.
          {top1 && ` Top-1 is ${percent(top1[0])} and ${percent(top1[1])}.`}
        </p>
      )}
      {worst.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">output, the largest difference first</th>
              <th scope="col">of the largest value</th>
              <th scope="col">difference</th>
            </tr>
          </thead>
          <tbody>
            {worst.map(({ name, max, relative }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{percent(relative, 3)}</td>
                <td>{max.toPrecision(3)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

const Widths = ({ found: { groups } }: { readonly found: CompareView }) => (
  <section class="card widths plain">
    <h2>Widths</h2>
    <WidthList groups={groups} />
  </section>
);
