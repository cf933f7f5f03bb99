/**
 * Single keys as shortcuts. They can be turned off (WCAG 2.1.4), mean nothing while somebody types or a dialog is open,
 * and never act at once: what changes something asks first.
 */
import * as dialog from "./dialog.js";
import { h } from "./dom.js";
import * as preferences from "./preferences.js";

/** @type {Record<string, () => void>} */
let view = {};
/** @type {Record<string, () => void>} */
let always = {};

export const enabled = () => preferences.get("keys", "on") === "on";

/** @param {Record<string, () => void>} keys of the view on the page */
export function forView(keys) {
  view = keys;
}

const TYPING = "input, textarea, select, [contenteditable]";

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!enabled() || dialog.isOpen() || event.target.closest?.(TYPING)) return;
  const run = view[event.key] ?? always[event.key];
  if (!run) return;
  event.preventDefault();
  run();
}

/** @param {Record<string, () => void>} keys that work in every view */
export function start(keys) {
  always = keys;
  document.addEventListener("keydown", press);
}

const table = [
  ["/", "Search"], ["j", "Next row"], ["k", "Previous row"], ["Enter", "Open the row"],
  ["r", "Replay (asks first)"], ["d", "Discard (asks first)"], ["[", "Previous attempt"], ["]", "Next attempt"],
  ["u", "Back to the list"], ["t", "Light or dark"], ["?", "This help"],
];

export function help() {
  const toggle = h("input", { type: "checkbox", onchange: () => preferences.set("keys", toggle.checked ? "on" : "off") });
  toggle.checked = enabled();
  return dialog.open("", "Keyboard", () => [
    h("table", h("tbody", table.map(([key, what]) => h("tr", h("th", { scope: "row" }, h("kbd", key)), h("td", what))))),
    h("label.check", toggle, "Single-key shortcuts"),
    h("div.actions", h("button.act", { type: "submit" }, "Close")),
  ]);
}
