/** How a run is drawn: one of six colours, and one of three dashes. */

const colours = 6;
const dashes: readonly (readonly number[])[] = [[], [6, 4], [2, 3]];

/** The name of a colour, of the style sheet and of its class. */
export const toneOf = (slot: number): string => `run-${(slot % colours) + 1}`;
export const dashOf = (slot: number): readonly number[] => dashes[Math.floor(slot / colours) % dashes.length]!;

/** The line of a run beside its name. */
export const Swatch = ({ slot }: { readonly slot: number | undefined }) => (
  <svg class="swatch" viewBox="0 0 20 8" width="20" height="8" aria-hidden="true">
    {slot !== undefined && (
      <line
        class={toneOf(slot)}
        x1="0"
        y1="4"
        x2="20"
        y2="4"
        stroke-width="3"
        stroke-dasharray={dashOf(slot).join(" ")}
      />
    )}
  </svg>
);
