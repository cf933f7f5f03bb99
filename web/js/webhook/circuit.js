/** A webhook's circuit in words: whether its receiver rests, since when, until when, and which deliveries opened it. */
import * as clock from "../clock.js";
import { h, icon } from "../dom.js";
import * as format from "../format.js";
import * as router from "../router.js";
import { words } from "./values.js";

/** @param {string[]} ids of deliveries */
function openedBy(ids) {
  if (ids.length === 0) return null;
  return h("p.opened-by", "Opened by ", h("span.ids", ids.map((id) => h("a.mono", { href: router.link("deliveries", id) }, id))));
}

const share = ({ failures, requests }) => (requests ? `${format.number(failures)} of ${format.plural(requests, "request")} had failed. ` : "");

/** @param {any} health @returns {HTMLElement} */
export function circuitBox({ circuit, enabled, paused }) {
  if (circuit.state === "closed") return h("p.circuit.muted", icon("check"), h("span", h("strong", "Circuit closed."), enabled && !paused && " Deliveries go out as they come."));
  const open = circuit.state === "open";
  return h("div.notice.warn.circuit", icon("alert"), h("div",
    h("strong", open ? "Circuit open since " : "Circuit half open: trying one at a time. Open since ", h("time", { datetime: circuit.openedAt }, format.stamp(circuit.openedAt, clock.now()))),
    " (", clock.ago(circuit.openedAt), ").",
    h("p", share(circuit), "Nothing is lost: deliveries are held meanwhile. ",
      open ? ["Next probe ", h("strong", clock.until(circuit.nextProbeAt)), circuit.cooldownSeconds ? `, pauses are ${words.duration(circuit.cooldownSeconds)} now` : "", "."] : "Three successes close it, one failure opens it again."),
    openedBy(circuit.trippedBy ?? [])));
}

/** In a row of a list. @param {any} circuit that is not closed */
export function circuitLine(circuit) {
  return circuit.state === "open" ? ["probe ", clock.until(circuit.nextProbeAt)] : "trying one at a time";
}
