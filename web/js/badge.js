/** Small marks: colour, icon and word, always all three. */
import { h, icon } from "./dom.js";
import * as reasons from "./reasons.js";

/** @param {string} name of an entry's state */
export function state(name) {
  const { label, tone, icon: sign, means } = reasons.state(name);
  return h("span.badge", { class: tone, title: `${label}: ${means}` }, icon(sign), label);
}

/** @param {string} name of a failure reason @param {number|null} [status] */
export function reason(name, status) {
  const tone = reasons.reasonIsOurs(name) ? "warn" : "calm";
  return h("span.badge", { class: tone, title: `${name}: ${reasons.reasonSentence(name)}` }, reasons.reasonLabel(name), status ? ` ${status}` : "");
}

/** @param {any} delivery its status, and what holds it */
export function delivery({ status, heldBecause }) {
  if (heldBecause) return h("span.badge.warn", { title: `Held because ${reasons.holdSentence(heldBecause)}` }, icon("pause"), "Held");
  const { label, tone, icon: sign } = reasons.delivery(status);
  return h("span.badge", { class: tone }, icon(sign), label);
}

const FAILING = 0.5;

/** The worst thing that is to be said about it. @param {any} hook @param {any} [health] */
export function webhook(hook, health) {
  if (!hook.enabled) return h("span.badge.bad", icon("cross"), "Disabled");
  if (hook.paused) return h("span.badge.warn", icon("pause"), "Paused");
  if (health && health.circuit.state !== "closed") return h("span.badge.warn", icon("alert"), health.circuit.state === "open" ? "Circuit open" : "Circuit half open");
  if (health?.requests && health.successRate < FAILING) return h("span.badge.bad", icon("alert"), "Failing");
  return h("span.badge.good", icon("check"), "Enabled");
}
