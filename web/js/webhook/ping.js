/** A ping and what becomes of it: the delivery is followed to its end, or until the view is left. */
import * as api from "../api.js";
import * as clock from "../clock.js";
import { h, fill, icon } from "../dom.js";
import { what } from "../entry/timeline.js";
import * as format from "../format.js";
import * as held from "../held.js";
import { Poller } from "../poller.js";
import * as router from "../router.js";
import { visible } from "../text_block.js";

const EVERY_MS = 1000;

export class Ping {
  /** @param {string} webhookId */
  constructor(webhookId) {
    this.webhookId = webhookId;
    this.element = h("div.ping", { "aria-live": "polite" });
    /** @type {Poller|null} */
    this.poller = null;
    this.said = "";
  }

  /** @returns {Promise<void>} when it is on its way */
  async send() {
    this.stop();
    const { deliveryId } = await api.post(`/v1/webhooks/${this.webhookId}/ping`);
    this.show({ id: deliveryId, status: "pending", attempts: [] });
    this.poller = new Poller((signal) => this.follow(deliveryId, signal), () => EVERY_MS);
    this.poller.now();
  }

  stop() {
    this.poller?.stop();
    this.poller = null;
  }

  async follow(id, signal) {
    const delivery = await api.get(`/v1/deliveries/${id}`, { signal });
    this.show(delivery);
    if (delivery.status === "pending") return;
    this.stop();
    document.dispatchEvent(new Event("dlo-changed"));
  }

  /** Rewritten only if it says something else: the region is live. */
  show(delivery) {
    const now = JSON.stringify([delivery.id, delivery.status, delivery.heldBecause, delivery.attempts.length]);
    if (now === this.said) return;
    this.said = now;
    fill(this.element, box(delivery));
  }
}

function last(delivery) {
  const attempt = delivery.attempts.at(-1);
  if (!attempt) return "";
  const error = attempt.error && attempt.error !== what(attempt) ? ` (${visible(attempt.error)})` : "";
  return `${what(attempt)}${error} after ${format.latency(attempt.timing.totalMs)}`;
}

function box(delivery) {
  const follow = h("a", { href: router.link("deliveries", delivery.id) }, "Open the delivery");
  const wrap = (tone, sign, title, ...rest) => h("div.notice", { class: tone }, sign, h("div", h("strong", title), " ", rest, " ", follow));
  if (delivery.heldBecause) return wrap("warn", icon("pause"), "The ping waits.", held.sentence(delivery));
  if (delivery.status === "delivered") return wrap("good", icon("check"), "The ping arrived.", `${last(delivery)}.`);
  if (delivery.status === "pending") {
    return wrap("busy", h("span.spinner", { "aria-hidden": "true" }), delivery.attempts.length ? "The ping failed so far." : "The ping is on its way.",
      delivery.attempts.length ? [`Attempt ${delivery.attempts.length}: ${last(delivery)}. Next `, delivery.nextAttemptAt ? clock.until(delivery.nextAttemptAt) : "now", "."] : "");
  }
  return wrap("bad", icon("cross"), "The ping did not arrive.", `${format.plural(delivery.attempts.length, "attempt")}, the last: ${last(delivery) || "no request was made"}.`);
}
