/**
 * The list of deliveries, newest first: what was sent, what waits, and what is held by which cause. Filtered by the
 * address. Rows that are shown follow their deliveries; new ones are counted, and shown when somebody asks.
 */
import * as api from "../api.js";
import { announce, toast } from "../announce.js";
import * as badge from "../badge.js";
import * as clock from "../clock.js";
import { DeliveryFilters, read } from "../delivery_filters.js";
import * as directory from "../directory.js";
import { h, fill, icon } from "../dom.js";
import * as format from "../format.js";
import { empty, failure } from "../notice.js";
import { Poller } from "../poller.js";
import * as reasons from "../reasons.js";
import * as router from "../router.js";

const PAGE = 50;
const ROWS_MAX = 500;
const EVERY_MS = 5000;
const columns = [["time", "Created"], ["webhook", "Webhook"], ["type", "Event type"], ["status", "Status"], ["held", "Held, next attempt"], ["attempts num", "Attempts"]];

export class DeliveriesView {
  /** @param {router.Route} route */
  constructor(route) {
    this.title = "Deliveries";
    this.filters = read(route.query);
    /** @type {Map<string, any>} */
    this.rows = new Map();
    this.cursor = "";
    this.fresh = 0;
    this.run = 0;
    this.count = h("span.count");
    this.pill = h("button.pill", { type: "button", hidden: true, onclick: () => this.load() });
    this.body = h("tbody");
    this.table = h("table.list-table.deliveries-table", h("caption.visually-hidden", "Deliveries, newest first"),
      h("thead", h("tr", columns.map(([name, label]) => h("th", { scope: "col", class: `col-${name}` }, label)))), this.body);
    this.notice = h("div");
    this.foot = h("div.list-foot", { hidden: true });
    this.bar = new DeliveryFilters();
    this.element = h("section.view", this.pill,
      h("div.panel", h("div.list-head", h("h1", "Deliveries"), this.count), this.bar.element, this.notice, this.table, this.foot));
    this.poller = new Poller((signal) => this.peek(signal), () => EVERY_MS);
    this.keys = { "/": () => this.bar.find.focus(), j: () => this.move(1), k: () => this.move(-1) };
  }

  async start() {
    await directory.load();
    this.bar.show(this.filters);
    await this.load();
    this.poller.later();
  }

  stop() {
    this.poller.stop();
  }

  /** @param {router.Route} route */
  follow(route) {
    if (route.name !== "deliveries" || route.id) return false;
    this.filters = read(route.query);
    this.bar.show(this.filters);
    this.load();
    return true;
  }

  // --- rows ---

  path(cursor) {
    return `/v1/deliveries${api.query({ ...this.filters, limit: PAGE, cursor })}`;
  }

  async load() {
    const run = ++this.run;
    this.table.setAttribute("aria-busy", "true");
    this.pill.hidden = true;
    fill(this.notice);
    if (this.rows.size === 0) fill(this.count, "Loading…");
    try {
      const page = await api.get(this.path(""));
      await directory.ensure(page.data.map((row) => row.webhookId));
      if (run !== this.run) return;
      this.look = api.poll(this.path(""));
      this.show(page);
      announce(`${format.plural(this.rows.size, "delivery", "deliveries")} shown.`);
    } catch (problem) {
      if (run === this.run) this.fail(problem);
    }
  }

  fail(problem) {
    fill(this.count);
    fill(this.notice, failure(problem, () => this.load()));
    this.table.hidden = true;
    this.foot.hidden = true;
  }

  show(page) {
    const focused = this.focused();
    this.rows.clear();
    fill(this.body);
    this.fresh = 0;
    this.cursor = page.nextCursor ?? "";
    this.add(page.data);
    this.table.hidden = this.rows.size === 0;
    this.table.removeAttribute("aria-busy");
    if (this.rows.size === 0) fill(this.notice, this.nothing());
    if (focused) this.focus(focused);
  }

  add(deliveries) {
    for (const delivery of deliveries) {
      if (this.rows.has(delivery.id)) continue;
      const row = h("tr", { "data-id": delivery.id, onclick: (event) => this.click(event, delivery.id) }, cells(delivery));
      this.rows.set(delivery.id, { row, shown: JSON.stringify(delivery) });
      this.body.append(row);
    }
    this.drawFoot();
  }

  drawFoot() {
    const more = h("button", { type: "button", onclick: () => this.more(more) }, "Load more");
    fill(this.count, `${format.number(this.rows.size)} shown`, this.cursor && ", more below");
    fill(this.foot, this.cursor && this.rows.size < ROWS_MAX && more, this.cursor && this.rows.size >= ROWS_MAX && h("span", "Narrow the filters to see older ones."));
    this.foot.hidden = !this.cursor;
  }

  async more(button) {
    button.disabled = true;
    try {
      const page = await api.get(this.path(this.cursor));
      this.cursor = page.nextCursor ?? "";
      this.add(page.data);
      this.focus(page.data[0]?.id);
    } catch (problem) {
      button.disabled = false;
      toast(problem.message);
    }
  }

  nothing() {
    if (this.filters.held === "true" && Object.keys(this.filters).length === 1) return empty("Nothing is held.", h("p", "Every delivery goes out as it comes, or waits for its retry."));
    if (Object.keys(this.filters).length === 0) return empty("No deliveries yet.", h("p", "Each event makes one for every webhook that wants it."));
    return empty("Nothing matches these filters.", h("div.actions", h("button", { type: "button", onclick: () => router.go(router.link("deliveries")) }, "Clear the filters")));
  }

  async peek(signal) {
    const page = await this.look?.(signal);
    if (!page) return;
    const known = page.data.filter((delivery) => this.rows.has(delivery.id));
    for (const delivery of known) this.update(delivery);
    this.fresh = page.data.length - known.length;
    if (this.rows.size === 0 && this.fresh) this.show(page);
    else await this.refreshOthers(new Set(known.map((delivery) => delivery.id)), signal);
    this.pill.hidden = this.fresh === 0;
    fill(this.pill, icon("down"), `${format.number(this.fresh)}${this.fresh === PAGE ? " or more" : ""} new: show`);
  }

  /** Of a filtered list what no longer fits is not in the answer: a few of those are looked at one by one. */
  async refreshOthers(seen, signal) {
    const gone = [...this.rows].filter(([id, { shown }]) => !seen.has(id) && JSON.parse(shown).status === "pending").slice(0, 5);
    for (const [id] of gone) this.update(withoutAttempts(await api.get(`/v1/deliveries/${id}`, { signal }).catch(() => null)));
  }

  update(delivery) {
    const known = delivery && this.rows.get(delivery.id);
    if (!known || known.shown === JSON.stringify(delivery)) return;
    known.shown = JSON.stringify(delivery);
    const focused = known.row.contains(document.activeElement);
    fill(known.row, cells(delivery));
    if (focused) this.focus(delivery.id);
  }

  // --- moving ---

  focused() {
    return document.activeElement?.closest(".deliveries-table tr")?.getAttribute("data-id") ?? "";
  }

  focus(id) {
    this.rows.get(id)?.row.querySelector(".row-link").focus();
  }

  move(step) {
    const ids = [...this.rows.keys()];
    const at = ids.indexOf(this.focused());
    this.focus(ids[at < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, at + step))]);
  }

  click(event, id) {
    if (!event.target.closest("a, button") && String(getSelection()) === "") router.go(router.link("deliveries", id));
  }
}

const withoutAttempts = (delivery) => delivery && { ...delivery, attempts: undefined, terminalAttempt: undefined };

function cells(delivery) {
  const name = directory.nameOf(delivery.webhookId);
  return [
    h("td.col-time", clock.ago(delivery.createdAt), h("span.sub", format.stamp(delivery.createdAt, clock.now()))),
    h("td.col-webhook", h("span.clip.strong", { title: name }, name)),
    h("td.col-type", h("a.row-link", { href: router.link("deliveries", delivery.id) }, delivery.eventType ?? "(no type)"),
      delivery.externalId && h("span.sub.clip", { title: delivery.externalId }, delivery.externalId)),
    h("td.col-status", badge.delivery(delivery), delivery.replayOf && h("span.sub", "replay")),
    h("td.col-held", waits(delivery)),
    h("td.col-attempts.num", { "data-label": "attempts" }, format.number(delivery.attemptCount)),
  ];
}

function waits(delivery) {
  if (delivery.heldBecause) {
    const until = delivery.heldUntil && h("span.sub", "at most until ", h("time", { datetime: delivery.heldUntil }, format.stamp(delivery.heldUntil, clock.now())));
    return [h("span", reasons.holdLabel(delivery.heldBecause)), until];
  }
  if (delivery.status === "pending") return delivery.nextAttemptAt ? ["next ", clock.until(delivery.nextAttemptAt)] : "next now";
  if (delivery.entryId) return h("a", { href: router.link("entries", delivery.entryId) }, "Dead letter");
  return delivery.finishedAt ? h("span.muted", "ended ", clock.ago(delivery.finishedAt)) : "";
}
