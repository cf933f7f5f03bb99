/** A webhook's health in figures, each with what it means. */
import { h } from "../dom.js";
import * as format from "../format.js";
import * as reasons from "../reasons.js";
import * as router from "../router.js";

const FAILING = 0.5;

/** Why what is held is held: the first of these that is so, as the sender looks. @param {any} health */
export function heldBy(health) {
  if (!health.enabled) return "disabled";
  if (health.paused) return "paused";
  return health.circuit.state === "closed" ? "" : "circuit";
}

/** @param {number|null} share @returns {string} never rounded up to a hundred */
export const percent = (share) => (share === null ? "–" : `${Math.floor(share * 1000) / 10} %`);

const latency = (ms) => (ms === null ? "–" : format.latency(ms));
const link = (n, href, more = "") => (n ? h("a", { href }, format.number(n) + more) : "0");

/** @param {any} hook @param {any} health */
export function figures(hook, health) {
  const more = health.waitingRelation === "gte" ? "+" : "";
  const why = heldBy(health);
  const deliveries = (query) => router.link("deliveries", "", { webhookId: hook.id, ...query });
  const failing = health.requests > 0 && health.successRate < FAILING;
  return h("dl.numbers.health", [
    ["success", "Success, last 24 h", percent(health.successRate), health.requests ? `of ${format.plural(health.requests, "request")}` : "no requests", failing && "tone-bad"],
    ["p50", "Half answer within", latency(health.p50Ms), "p50"],
    ["p95", "95 % answer within", latency(health.p95Ms), "p95"],
    ["waiting", "Waiting", link(health.waiting, deliveries({ status: "pending" }), more), "due, later or held"],
    ["held", "Held", link(health.held, deliveries({ held: "true" })), health.held ? reasons.holdSentence(why) : "nothing is held", health.held > 0 && "tone-warn"],
    ["dead", "Open dead letters", link(health.openDeadLetters, router.link("entries", "", { webhookId: hook.id })), health.openDeadLetters ? "wait for a decision" : "none"],
  ].map(([name, label, value, note, tone]) => h("div.number", { "data-number": name }, h("dt", label),
    h("dd", h("span.value", { class: tone || "" }, value), h("div.note", note)))));
}
