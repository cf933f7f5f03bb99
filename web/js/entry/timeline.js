/**
 * The attempts of one dead letter as a timeline, newest first. Bars are latencies, all on one scale and divided into
 * phases; what lies between two attempts is the time waited. Choosing an attempt is a button's work.
 */
import * as clock from "../clock.js";
import { h, icon } from "../dom.js";
import * as format from "../format.js";
import * as reasons from "../reasons.js";
import { linked } from "../text_block.js";
import * as timing from "./timing.js";

/** Shorter than this it was no wait but the machine's own pace. */
const PAUSE_MS = 50;

export class Timeline {
  /** @param {any} entry @param {(attempt: any) => void} chosen */
  constructor(entry, chosen) {
    this.attempts = [...entry.attempts].sort((a, b) => b.n - a.n);
    this.chosen = chosen;
    this.buttons = new Map();
    this.at = 0;
    this.element = h("ol.timeline", this.end(entry), this.rows());
  }

  /** What ended it, above the attempts: the newest thing that happened. */
  end(entry) {
    const verdict = entry.terminalAttempt;
    if (entry.status && !verdict) return null; // a delivery's own page says how it stands
    const text = verdict ? `Ended without a request: ${verdict.error || reasons.reasonSentence(verdict.failureReason)}` : "Became a dead letter";
    return h("li.timeline-end", icon("inbox"), h("span", linked(text), " ", clock.ago(verdict?.at ?? entry.createdAt)));
  }

  rows() {
    const longest = Math.max(0.001, ...this.attempts.map((a) => a.timing.totalMs));
    return this.attempts.flatMap((attempt, i) => [h("li", this.button(attempt, longest, i)), gapBetween(this.attempts[i + 1], attempt)]);
  }

  button(attempt, longest, at) {
    const outcome = reasons.outcome(attempt.outcome);
    const button = h("button.attempt", { type: "button", "data-attempt": attempt.n, onclick: () => this.choose(at) },
      h("span.n", `#${attempt.n}`), h("span.what", { class: outcome.tone }, icon(outcome.icon), what(attempt)),
      h("span.took", format.latency(attempt.timing.totalMs)),
      h("span.latency", { "aria-hidden": "true" }, timing.phases(attempt.timing).map((phase) =>
        h(`span.phase-${phase.name}`, { vars: { "--part": phase.ms / longest } }))),
      h("span.at", format.stamp(attempt.at, clock.now()), " · ", clock.ago(attempt.at)));
    this.buttons.set(at, button);
    return button;
  }

  /** @param {number} at 0 is the newest */
  choose(at) {
    if (!this.attempts[at]) return;
    this.at = at;
    for (const [i, button] of this.buttons) button.setAttribute("aria-current", String(i === at));
    this.chosen(this.attempts[at]);
  }

  /** @param {number} step 1: an older one */
  move(step) {
    const next = this.at + step;
    if (!this.attempts[next]) return;
    this.choose(next);
    this.buttons.get(next).focus();
  }
}

/** The answer's status, or the way it failed. @param {any} attempt */
export function what(attempt) {
  if (attempt.statusCode) return `HTTP ${attempt.statusCode}`;
  return attempt.outcome === "delivered" ? "Delivered" : reasons.reasonLabel(attempt.failureReason);
}

function gapBetween(older, newer) {
  if (!older) return null;
  const ms = Date.parse(newer.at) - Date.parse(older.at) - older.timing.totalMs;
  return ms < PAUSE_MS ? null : h("li.gap", ms < 1000 ? `waited ${Math.round(ms)} ms` : `waited ${format.duration(ms)}`);
}
