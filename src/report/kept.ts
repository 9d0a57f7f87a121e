/** What is kept of a model's outputs, in words. */

import type { Kept } from "../evaluate/kept.ts";
import { whatIsLeft, type Left } from "../jobs/ruined.ts";
import { metricFigure, percent } from "./figures.ts";
import { html, type Markup } from "./html.ts";

const whole = (count: number): string => count.toLocaleString("en-US");

const decided: Readonly<Record<string, (kept: string, decisions: number, samples: number) => string>> = {
  classes: (kept, decisions, samples) =>
    `the class of ${kept} of ${whole(decisions)} ${decisions === samples ? "samples" : "places"} kept`,
  "yes-no": (kept, decisions) => `${kept} of ${whole(decisions)} yes/no decisions kept`,
  "whole numbers": (kept, decisions) => `${kept} of ${whole(decisions)} whole numbers kept`,
};

/** "99.20 % of 33,150 yes/no decisions kept", "numbers differ by 1.80 % of their standard deviation, PSNR 34.2 dB". */
function keptFigure(kept: Kept, samples: number): string {
  switch (kept.of) {
    case "nothing":
      return `not compared, as ${kept.reason}`;
    case "numbers": {
      const { apart, psnr, cosine } = kept;
      return [
        `numbers differ by ${percent(apart)} of their standard deviation`,
        ...(psnr === undefined ? [] : [`PSNR ${psnr.toFixed(1)} dB`]),
        ...(cosine === undefined ? [] : [`mean cosine ${metricFigure(cosine)}`]),
      ].join(", ");
    }
    default: {
      const { rare } = kept;
      const told = decided[kept.of]!(percent(kept.kept), kept.decisions, samples);
      // One class for each sample hides no others.
      if (rare === undefined || rare.before === 0 || (kept.of === "classes" && kept.decisions === samples)) return told;
      const those = rare.answer ? `that are ${rare.answer}` : "in other classes than the most common one";
      return `${told}; of the ${whole(rare.before)} ${those}, ${whole(rare.both)} kept`;
    }
  }
}

/** A line for each output. */
export const keptLines = (outputs: Readonly<Record<string, Kept>>, samples: number): string[] =>
  Object.entries(outputs).map(([name, kept]) => `${name}: ${keptFigure(kept, samples)}`);

/** Of what little is left. */
export const littleLeft = (left: Left): Markup =>
  html`<p>Little is left of what the original said: ${whatIsLeft(left)}.</p>`;
