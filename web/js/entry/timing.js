/** The phases of one request. Pure but for the table it draws. */
import { h } from "../dom.js";
import * as format from "../format.js";

const labels = { dns: "Name lookup", connect: "Connect", tls: "TLS handshake", wait: "Wait for answer", receive: "Receive" };

/**
 * dns, connect and tls last as long as they say; the first byte and the total are counted from the start.
 * @param {{dnsMs: number, connectMs: number, tlsMs: number, ttfbMs: number, totalMs: number}} t
 * @returns {{name: string, from: number, ms: number}[]}
 */
export function phases(t) {
  const open = t.dnsMs + t.connectMs + t.tlsMs;
  const first = t.ttfbMs || t.totalMs; // no first byte: all the rest was waiting
  const lengths = { dns: t.dnsMs, connect: t.connectMs, tls: t.tlsMs, wait: Math.max(0, first - open), receive: Math.max(0, t.totalMs - first) };
  let from = 0;
  return Object.entries(lengths).map(([name, ms]) => {
    const phase = { name, from, ms };
    from += ms;
    return phase;
  });
}

/** @param {any} attempt */
export function table(attempt) {
  const total = Math.max(attempt.timing.totalMs, 0.001);
  const rows = phases(attempt.timing).map((phase) => h("tr",
    h("th", { scope: "row" }, h("span.swatch", { class: `phase-${phase.name}`, "aria-hidden": "true" }), labels[phase.name]),
    h("td.ms", format.latency(phase.ms)),
    h("td", h("span.track", { "aria-hidden": "true" },
      phase.ms > 0 && h(`span.phase-${phase.name}`, { vars: { "--from": Math.min(phase.from / total, 0.995), "--part": Math.min(phase.ms / total, 1) } })))));
  return h("table.pairs.phases", h("caption", `${format.latency(attempt.timing.totalMs)} in total`),
    h("tbody", rows));
}
