/** Importance, sliders, figures at once, and the small model. */

import { Budget } from "./budget.tsx";
import { Figures } from "./figures.tsx";
import { Importance } from "./importance.tsx";
import { Learn } from "./learn.tsx";
import { Outcome } from "./outcome.tsx";
import { Widths } from "./widths.tsx";

export const PrunePage = () => (
  <div class="columns">
    <div>
      <Importance />
      <Budget />
      <Figures />
      <Outcome />
      <Learn />
    </div>
    <Widths />
  </div>
);
