/**
 * One delivery: how it stands, what holds it, and its attempts. Followed until it is over; an attempt, once shown, is
 * never drawn again over what somebody reads.
 */
import * as api from "../api.js";
import { announce } from "../announce.js";
import * as badge from "../badge.js";
import * as clock from "../clock.js";
import * as directory from "../directory.js";
import { h, fill, icon } from "../dom.js";
import { AttemptDetail } from "../entry/attempt.js";
import { Timeline } from "../entry/timeline.js";
import * as format from "../format.js";
import * as held from "../held.js";
import { failure, loading } from "../notice.js";
import { Poller } from "../poller.js";
import * as reasons from "../reasons.js";
import * as router from "../router.js";
import { copyButton } from "../text_block.js";

const PENDING_MS = 2000;
const OVER_MS = 60_000;

export class DeliveryView {
  /** @param {router.Route} route */
  constructor(route) {
    this.id = route.id;
    this.title = "Delivery";
    this.delivery = null;
    this.shown = "";
    this.head = h("div.panel");
    this.rest = h("div");
    this.detail = new AttemptDetail();
    this.keys = { u: () => router.go(router.link("deliveries")), "[": () => this.timeline?.move(1), "]": () => this.timeline?.move(-1) };
    this.element = h("article.view", h("p", h("a.back", { href: router.link("deliveries") }, icon("left"), "Deliveries")), this.head, this.rest);
    fill(this.head, loading("Loading the delivery…"));
    this.poller = new Poller((signal) => this.ask(signal), () => (this.delivery?.status === "pending" ? PENDING_MS : OVER_MS), (problem) => this.fail(problem));
  }

  async start() {
    await directory.load();
    this.poller.now();
  }

  stop() {
    this.poller.stop();
  }

  fail(problem) {
    if (this.delivery && problem.passing) return; // the strip on top says it
    if (!problem.passing) this.poller.stop();
    fill(this.rest);
    fill(this.head, h("h1.visually-hidden", { tabindex: "-1" }, "Delivery"), h("div.empty", failure(problem, problem.passing ? () => this.poller.now() : undefined)));
  }

  async ask(signal) {
    const delivery = await api.get(`/v1/deliveries/${encodeURIComponent(this.id)}`, { signal });
    const before = this.delivery;
    this.delivery = delivery;
    const now = JSON.stringify(delivery);
    if (now === this.shown) return;
    this.shown = now;
    await directory.ensure([delivery.webhookId]);
    this.draw(delivery);
    if (!before || before.attempts.length !== delivery.attempts.length || before.status !== delivery.status) this.drawAttempts(delivery);
    if (before && before.status !== delivery.status) announce(`The delivery is ${reasons.delivery(delivery.status).label.toLowerCase()}.`);
  }

  draw(delivery) {
    document.title = `${delivery.eventType ?? "Delivery"} · Dead Letter Office`;
    const hook = directory.find(delivery.webhookId);
    const name = directory.nameOf(delivery.webhookId);
    const focused = this.head.contains(document.activeElement);
    fill(this.head, h("div.entry-head",
      h("div.entry-title", h("h1", { tabindex: "-1" }, delivery.eventType ?? "(no type)"), badge.delivery(delivery)),
      h("p.entry-to", "to ", hook ? h("a.strong", { href: router.link("webhooks", hook.id) }, name) : h("strong", name), " ", h("span.mono", hook?.url ?? "")),
      this.standing(delivery)), facts(delivery));
    if (focused) this.head.querySelector("h1").focus({ preventScroll: true });
  }

  standing(delivery) {
    if (delivery.heldBecause) return held.notice(delivery);
    const tries = format.plural(delivery.attemptCount, "attempt");
    const last = delivery.attempts.at(-1);
    if (delivery.status === "pending") return h("p", delivery.attemptCount ? `${tries} so far; ` : "Not attempted yet; ", "next ", delivery.nextAttemptAt ? clock.until(delivery.nextAttemptAt) : "now", ".");
    if (delivery.status === "delivered") return h("p", `It arrived at attempt ${last?.n ?? delivery.attemptCount}, `, clock.ago(delivery.finishedAt), ".");
    if (delivery.status === "cancelled") return h("p", "It was cancelled ", clock.ago(delivery.finishedAt), ".");
    return h("p", delivery.attemptCount ? `${tries}, then given up ` : "Given up without a request ", clock.ago(delivery.finishedAt), ". ", delivery.entryId
      ? h("a", { href: router.link("entries", delivery.entryId) }, "Open its dead letter") : "It made no dead letter.");
  }

  drawAttempts(delivery) {
    const focused = this.rest.contains(document.activeElement);
    if (delivery.attempts.length === 0 && !delivery.terminalAttempt) {
      fill(this.rest, h("section.panel", { "aria-label": "Attempts" }, h("p.empty", "No attempt yet.")));
      return;
    }
    this.timeline = new Timeline(delivery, (attempt) => this.detail.show(attempt));
    if (delivery.attempts.length) this.timeline.choose(0);
    fill(this.rest, h("section.panel.attempts", { "aria-label": "Attempts" },
      h("div.attempts-list", h("div.section-head", h("h2", "Attempts ", h("span.muted.small", format.number(delivery.attempts.length)))), this.timeline.element),
      delivery.attempts.length ? this.detail.element : h("p.empty", "No request was made.")));
    if (focused) /** @type {HTMLElement|null} */ (this.rest.querySelector(".attempt"))?.focus({ preventScroll: true });
  }
}

function facts(delivery) {
  const id = (text, what) => text && h("span.copy", h("code.mono", text), copyButton(text, what));
  const lines = [
    ["Created", format.full(delivery.createdAt)],
    ["Ended", delivery.finishedAt && format.full(delivery.finishedAt)],
    ["Held until", delivery.heldUntil && format.full(delivery.heldUntil)],
    ["Delivery", id(delivery.id, "delivery id")],
    ["Event (webhook-id)", id(delivery.eventId, "event id")],
    ["External id", id(delivery.externalId, "external id")],
    ["Replay of", delivery.replayOf && h("a.mono", { href: router.link("entries", delivery.replayOf) }, delivery.replayOf)],
    ["Channel", delivery.channel],
    ["Customer", delivery.customerExternalId],
  ];
  return h("dl.facts", lines.filter(([, value]) => value).map(([label, value]) => h("div", h("dt", label), h("dd", value))));
}
