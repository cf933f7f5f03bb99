/** What keeps deliveries from being sent, in words: why, and until when they may wait. */
import * as clock from "./clock.js";
import { h, icon } from "./dom.js";
import * as reasons from "./reasons.js";

/** @param {any} delivery that is held @returns {any[]} a sentence with its times */
export function sentence(delivery) {
  const until = delivery.heldUntil;
  const end = delivery.heldBecause === "rate" ? " It goes out in its turn." : "";
  return [`Held because ${reasons.holdSentence(delivery.heldBecause)}.`, end, until && [" It becomes a dead letter ", clock.until(until), " if that lasts."]];
}

/** @param {any} delivery */
export function notice(delivery) {
  return h("div.notice.warn", icon("pause"), h("div", sentence(delivery)));
}
