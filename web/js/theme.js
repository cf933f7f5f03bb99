/** Theme: light, dark, or what the system says. */
import * as preferences from "./preferences.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** @returns {"light"|"dark"} what is shown now */
export function current() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return dark.matches ? "dark" : "light";
}

/** Shows the other one; back at the system's own, the choice is forgotten so that it follows the system again. */
export function toggle() {
  const next = current() === "dark" ? "light" : "dark";
  const system = dark.matches ? "dark" : "light";
  if (next === system) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  preferences.set("theme", next === system ? null : next);
  dispatchEvent(new Event("dlo-theme"));
}

/** @param {() => void} listener called when it was toggled, or when the system changed */
export function whenChanged(listener) {
  addEventListener("dlo-theme", listener);
  dark.addEventListener("change", listener);
}
