/** Light or dark: as the machine has it, until somebody chooses. */

import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
const key = "secateur.theme";

/** A page may be kept from remembering anything. */
function remembered(): Theme {
  try {
    const found = localStorage.getItem(key);
    return found === "light" || found === "dark" ? found : "auto";
  } catch {
    return "auto";
  }
}

export const theme = signal<Theme>(remembered());
/** Counts changes of colours, for what is painted. */
export const painted = signal(0);

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => painted.value++);

effect(() => {
  const chosen = theme.value;
  if (chosen === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  try {
    if (chosen === "auto") localStorage.removeItem(key);
    else localStorage.setItem(key, chosen);
  } catch {
    // It then holds until the page is closed.
  }
  painted.value = painted.peek() + 1;
});
