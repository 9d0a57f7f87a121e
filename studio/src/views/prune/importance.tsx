/** How importance is measured: by weights at once, or by data that is dropped here. */

import { criterionNames, describeCriterion } from "./criteria.ts";
import { filesIn } from "../../parts/files.ts";
import { criterion, data, device, openData, score, scores } from "../../state/pruning.ts";
import { machine } from "../../state/machine.ts";

export function Importance() {
  const now = scores.value;
  const about = describeCriterion(criterion.value);
  return (
    <section class="card" aria-labelledby="importance">
      <h2 id="importance">1. What matters</h2>
      <p>
        {now
          ? `Importance by ${now.criterion}, in ${now.seconds.toFixed(1)} s (${now.machine}).`
          : "Importance by magnitude: the size of the weights. With data it is measured better."}
      </p>
      <div class="row">
        <label>
          Criterion
          <select value={criterion.value} onChange={(event) => (criterion.value = event.currentTarget.value)}>
            {criterionNames.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {machine.value?.webgpu && (
          <label>
            Computed on
            <select
              value={device.value}
              onChange={(event) => (device.value = event.currentTarget.value as "cpu" | "webgpu")}
            >
              <option value="cpu">processor</option>
              <option value="webgpu">graphics card (WebGPU)</option>
            </select>
          </label>
        )}
      </div>
      <p class="quiet">{about.what}</p>
      {about.needsData && (
        <>
          <label class="file">
            <span>{data.value ? "Other data" : "Pictures or .npz"}</span>
            <input
              type="file"
              multiple
              accept="image/*,.npz,.csv"
              onChange={(event) => void openData(filesIn(event.currentTarget))}
            />
          </label>
          {data.value ? (
            <p class="quiet">
              {data.value.samples} samples of {data.value.name}
              {data.value.notes.map((one) => `; ${one}`)}
            </p>
          ) : (
            <p class="quiet">
              Drop a folder of pictures, with a CSV of their labels if there is one, or an .npz file anywhere. Nothing
              is uploaded.
            </p>
          )}
        </>
      )}
      <button
        type="button"
        class="main"
        disabled={about.needsData && !data.value}
        onClick={() => void score(criterion.value)}
      >
        Measure importance
      </button>
    </section>
  );
}
