/** Announcements: outcomes for those who cannot see them, and short notices with a way back for everybody. */
import { h } from "./dom.js";

const SHOWN_MS = 10_000;

/** @param {string} text */
export function announce(text) {
  const region = document.getElementById("announcer");
  if (!region) return;
  region.textContent = "";
  setTimeout(() => { region.textContent = text; }, 50);
}

/**
 * A notice at the edge for ten seconds, longer while it is pointed at or has the focus.
 * @param {string} text @param {{label: string, run: () => void}} [action]
 */
export function toast(text, action) {
  const place = document.getElementById("toasts");
  const box = h("div.toast", h("span", text), action && h("button.tiny", { type: "button", onclick: act }, action.label),
    h("button.tiny", { type: "button", "aria-label": "Close the notice", onclick: close }, "✕"));
  let timer = setTimeout(close, SHOWN_MS);
  function close() {
    clearTimeout(timer);
    box.remove();
  }
  function act() {
    close();
    action?.run();
  }
  const hold = () => clearTimeout(timer);
  const letGo = () => { clearTimeout(timer); timer = setTimeout(close, SHOWN_MS); };
  for (const type of ["pointerenter", "focusin"]) box.addEventListener(type, hold);
  for (const type of ["pointerleave", "focusout"]) box.addEventListener(type, letGo);
  place?.append(box);
  announce(text);
}
