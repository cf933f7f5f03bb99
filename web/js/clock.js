/**
 * The server's clock, as far as this page knows it, and the relative times on the page: every <time data-form> is
 * rewritten as time passes. What a laptop's own clock says is never compared with a server's.
 */
import { h } from "./dom.js";
import * as format from "./format.js";

const EVERY_MS = 1000;
let skewMs = 0;

/** @param {string} serverTime an instant the server has just called now */
export function sync(serverTime) {
  const at = Date.parse(serverTime);
  if (Number.isFinite(at)) skewMs = at - Date.now();
}

/** @returns {number} ms since the epoch, by the server */
export const now = () => Date.now() + skewMs;

/** "3 m ago", with the full time as its title. @param {string|null|undefined} at @param {string} [none] */
export function ago(at, none = "never") {
  return at ? moving(at, "ago") : h("span", none);
}

/** "in 3 d". @param {string|null|undefined} at */
export function until(at) {
  return at ? moving(at, "until") : h("span", "–");
}

function moving(at, form) {
  const element = h("time", { datetime: at, "data-form": form, title: format.full(at) });
  write(element);
  return element;
}

function write(element) {
  const distance = Date.parse(element.dateTime) - now();
  const text = element.dataset.form === "ago" ? format.ago(-distance) : format.until(distance);
  if (element.textContent !== text) element.textContent = text;
}

/** Starts rewriting. Stands still while nobody looks. */
export function start() {
  setInterval(() => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("time[data-form]")) write(element);
  }, EVERY_MS);
}
