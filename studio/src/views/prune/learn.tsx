/** Pruning with learning in between: more of the network's skill is left, and it takes longer. */

import { bytes, percent, seconds, short } from "../../parts/format.ts";
import { save } from "../../parts/files.ts";
import { batchSize, epochs, learn, learned, points } from "../../state/learning.ts";
import { network } from "../../state/network.ts";
import { choice, data } from "../../state/pruning.ts";

export function Learn() {
  const [done, now] = [learned.value, network.value];
  if (!now) return null;
  const isReady = data.value !== undefined && choice.value.share < 1;
  return (
    <section class="card" aria-labelledby="learn">
      <h2 id="learn">4. Learn on the way</h2>
      <p>
        Units go a few at a time, and the rest learns in between, from{" "}
        {data.value?.labelled ? "the labels" : "the original"}. Then all of it is fine-tuned. A fifth of the data is
        held out to measure the result.
      </p>
      <div class="row">
        <label>
          Epochs of fine-tuning
          <input
            type="number"
            min="0"
            max="100"
            value={epochs.value}
            onChange={(event) => (epochs.value = Math.max(0, Number(event.currentTarget.value)))}
          />
        </label>
        <label>
          Samples of a minibatch
          <input
            type="number"
            min="1"
            max="512"
            value={batchSize.value}
            onChange={(event) => (batchSize.value = Math.max(1, Number(event.currentTarget.value)))}
          />
        </label>
        <button type="button" class="main" disabled={!isReady} onClick={() => void learn()}>
          Prune and learn
        </button>
      </div>
      {!isReady && (
        <p class="quiet">
          {data.value ? "Move the slider first: all is to stay." : "This needs data: drop pictures or an .npz file."}
        </p>
      )}
      {points.value.length > 1 && <Curve />}
      {done && (
        <>
          <p>
            {done.end === "met" ? "The budget is met" : `It ended as ${done.end}`}, in {seconds(done.seconds)} (
            {done.machine}
            ): {short(done.after.macs)} of {short(done.before.macs)} multiply-accumulates, {short(done.after.params)} of{" "}
            {short(done.before.params)} parameters. {done.words}.
          </p>
          <button
            type="button"
            class="main"
            onClick={() => save(`${now.name.replace(/\.onnx$/i, "")}-learned.onnx`, done.model)}
          >
            Download the learned model ({bytes(done.model.byteLength)})
          </button>
        </>
      )}
    </section>
  );
}

/** The loss of each minibatch, and what is left of the costs. */
function Curve() {
  const all = points.value;
  const most = Math.max(...all.map(({ loss }) => loss));
  const x = (i: number): number => (200 * i) / (all.length - 1);
  const line = (of: (point: (typeof all)[number]) => number): string =>
    all.map((point, i) => `${x(i).toFixed(1)},${(60 - 58 * of(point)).toFixed(1)}`).join(" ");
  const last = all.at(-1)!;
  return (
    <figure class="curve">
      <svg viewBox="0 0 200 60" preserveAspectRatio="none" role="img" aria-label="Loss by minibatch, and what is left">
        <polyline class="left" points={line(({ share }) => share)} />
        <polyline class="loss" points={line(({ loss }) => (most > 0 ? loss / most : 0))} />
      </svg>
      <figcaption class="quiet">
        <span class="key loss">loss {last.loss.toPrecision(3)}</span>{" "}
        <span class="key left">{percent(last.share)} left of the budget's costs</span>, minibatch {last.step}
      </figcaption>
    </figure>
  );
}
