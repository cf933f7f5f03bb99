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
