/**
 * The verdict: the first thing to read at three in the morning. From the overview's numbers to one sentence, why, and a
 * tone. Pure. The order of the table is the order of what matters: a dead worker must never look like health.
 */
import * as format from "./format.js";

export const WORKER_LATE_S = 15;
const BEHIND_S = 300;
const SURGE = 3;

/** @typedef {{tone: string, icon: string, title: string, why: string}} Verdict tone: bad, warn or good */

const surges = (o) => o.enteringPerMinute > Math.max(1, SURGE * o.usualPerMinute);
const workerGone = (o) => o.workerHeartbeatAgeSeconds === null || o.workerHeartbeatAgeSeconds > WORKER_LATE_S;

/** Them or us? @param {any} o the overview */
export function side(o) {
  if (o.webhooksAffected === 0) return "";
  if (o.webhooksTotal >= 4 && o.webhooksAffected * 2 > o.webhooksTotal) return "most are hit: perhaps it is us";
  return o.webhooksAffected === 1 ? "a single receiver" : "some receivers";
}

function last(o, now) {
  return o.lastEntryAt ? `Last dead letter ${format.ago(now - Date.parse(o.lastEntryAt))}` : "No dead letter yet";
}

const worker = (o) => `worker heartbeat ${format.ago(o.workerHeartbeatAgeSeconds * 1000)}`;
const hit = (o) => `${format.number(o.webhooksAffected)} of ${format.plural(o.webhooksTotal, "webhook")} affected`;
const usual = (o) => `usual is ${format.rate(o.usualPerMinute)}`;

/**
 * [when, tone, icon, title, why]
 * @type {[(o: any) => boolean, string, string, (o: any) => string, (o: any, now: number) => string][]}
 */
const table = [
  [workerGone, "bad", "alert", () => "The worker is not running: nothing is being sent.",
    (o) => `${o.workerHeartbeatAgeSeconds === null ? "It has never reported." : `Last heartbeat ${format.duration(o.workerHeartbeatAgeSeconds * 1000)} ago.`} `
      + `${format.number(o.waiting.due + o.waiting.later)} deliveries wait. Quiet numbers below mean nothing until it runs.`],
  [surges, "bad", "alert", (o) => `Still happening: ${format.plural(o.enteringPerMinute, "dead letter")} in the last minute.`,
    (o) => `Per minute, ${usual(o)}. ${hit(o)}.`],
  [(o) => (o.oldestDueSeconds ?? 0) > BEHIND_S, "warn", "clock", () => "Sending is behind.",
    (o) => `The oldest due delivery has waited ${format.duration(o.oldestDueSeconds * 1000)}; ${worker(o)}.`],
  [(o) => o.open > 0 && o.enteringPerMinute > 0, "warn", "inbox", (o) => `${format.plural(o.open, "open dead letter")}, entering as usual.`,
    (o, now) => `${format.number(o.enteringPerMinute)} in the last minute, ${usual(o)}. ${last(o, now)}. ${hit(o)}.`],
  [(o) => o.open > 0, "warn", "inbox", (o) => `It has stopped. ${format.plural(o.open, "dead letter")} wait${o.open === 1 ? "s" : ""} for a decision.`,
    (o, now) => `${last(o, now)}, none in the last minute. ${hit(o)}; ${worker(o)}.`],
  [() => true, "good", "check", () => "All clear: no open dead letters.",
    (o, now) => `${last(o, now)}; ${worker(o)}; ${o.waiting.due ? `${format.plural(o.waiting.due, "delivery", "deliveries")} due.` : "nothing is overdue."}`],
];

/** @param {any} overview @param {number} now ms, by the server @returns {Verdict} */
export function judge(overview, now) {
  const [, tone, icon, title, why] = table.find(([when]) => when(overview)) ?? table[table.length - 1];
  return { tone, icon, title: title(overview), why: why(overview, now) };
}
