/** What there is before a model is open. */

import { filesIn } from "../parts/files.ts";
import { openFiles } from "../state/network.ts";
import { openSample, served } from "../state/served.ts";

export const Welcome = () => (
  <div class="welcome">
    <h1>See a network, and make it smaller</h1>
    <p>
      Drop an ONNX model here, with the files of its weights beside it if it has any. All is computed in this page:
      nothing is uploaded.
    </p>
    <div class="row">
      <label class="file main">
        <span>Choose a model</span>
        <input type="file" multiple onChange={(event) => void openFiles(filesIn(event.currentTarget))} />
      </label>
      <button type="button" onClick={() => void openSample()}>
        Try a net of handwritten digits
      </button>
    </div>
    {served.value && served.value.runs > 0 && (
      <p>
        <a href="#watch">
          {served.value.runs} {served.value.runs === 1 ? "run" : "runs"}
        </a>{" "}
        can be looked at under Watch.
      </p>
    )}
  </div>
);
