/**
 * The list of deliveries, newest first: what was sent, what waits, and what is held by which cause. Filtered by the
 * address. Rows that are shown follow their deliveries; new ones are counted, and shown when somebody asks.
 */
import * as api from "../api.js";
import { announce, toast } from "../announce.js";
import * as badge from "../badge.js";
import * as clock from "../clock.js";
import * as directory from "../directory.js";
import { h, fill, icon, uniqueId } from "../dom.js";
import * as format from "../format.js";
import { empty, failure } from "../notice.js";
import { Poller } from "../poller.js";
import * as reasons from "../reasons.js";
import * as router from "../router.js";
import { visible } from "../text_block.js";

const PAGE = 50;
const ROWS_MAX = 500;
const EVERY_MS = 5000;
const columns = [["time", "Created"], ["webhook", "Webhook"], ["type", "Event type"], ["status", "Status"], ["held", "Held, next attempt"], ["attempts num", "Attempts"]];
const filterNames = ["webhookId", "status", "held", "eventType", "eventId", "externalId"];

/** What the address asks for; an unknown part is left out. @param {URLSearchParams} query */
function read(query) {
  const wanted = {};
  for (const name of filterNames) if (query.get(name)?.trim()) wanted[name] = query.get(name).trim();
  if (!["true", "false"].includes(wanted.held)) delete wanted.held;
  if (!reasons.deliveryNames.includes(wanted.status)) delete wanted.status;
  return wanted;
}

/** @param {string} text an id or what the producer calls it */
function search(text) {
  if (/^dlv_[0-9a-z]{26}$/i.test(text)) return { open: router.link("deliveries", text) };
  if (/^dlq_[0-9a-z]{26}$/i.test(text)) return { open: router.link("entries", text) };
  if (/^whk_[0-9a-z]{26}$/i.test(text)) return { filter: { webhookId: text } };
  return { filter: /^evt_[0-9a-z]{26}$/i.test(text) ? { eventId: text } : { externalId: text } };
}

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
    this.form = this.filterForm();
    this.element = h("section.view", this.pill,
      h("div.panel", h("div.list-head", h("h1", "Deliveries"), this.count), this.form, this.notice, this.table, this.foot));
    this.poller = new Poller((signal) => this.peek(signal), () => EVERY_MS);
    this.keys = { "/": () => this.find.focus(), j: () => this.move(1), k: () => this.move(-1) };
  }

  async start() {
    await directory.load();
    this.drawFilters();
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
    this.drawFilters();
    this.load();
    return true;
  }

  // --- filters ---

  filterForm() {
    const select = (name, ...options) => h("select", { name, onchange: (event) => this.set({ [name]: event.target.value }) }, options.map(([value, label]) => h("option", { value }, label)));
    const field = (label, control, wide) => {
      control.id = uniqueId("filter");
      return h("div.field", { class: wide && "wide" }, h("label", { for: control.id }, label), control);
    };
    this.find = h("input", { type: "search", placeholder: "External id, dlv_… or evt_…", autocomplete: "off", spellcheck: "false" });
    this.type = h("input", { name: "eventType", placeholder: "order.paid", autocomplete: "off", spellcheck: "false", onchange: () => this.set({ eventType: this.type.value.trim() }) });
    this.controls = {
      webhookId: select("webhookId"),
      status: select("status", ["", "Any status"], ...reasons.deliveryNames.map((name) => [name, reasons.delivery(name).label])),
      held: select("held", ["", "Held or not"], ["true", "Held"], ["false", "Not held"]),
      eventType: this.type,
    };
    this.chips = h("div.chips");
    return h("form.filters", { role: "search", "aria-label": "Filter deliveries", onsubmit: (event) => this.submit(event) },
      h("div.filter-row", field("Find", this.find, true), field("Webhook", this.controls.webhookId), field("Status", this.controls.status),
        field("Held", this.controls.held), field("Event type", this.type)),
      this.chips, h("button.visually-hidden", { type: "submit", tabindex: "-1" }, "Apply"));
  }

  submit(event) {
    event.preventDefault();
    const text = this.find.value.trim();
    this.find.value = "";
    if (!text) return;
    const found = search(text);
    if (found.open) router.go(found.open);
    else this.set(found.filter);
  }

  set(some) {
    const wanted = Object.fromEntries(Object.entries({ ...this.filters, ...some }).filter(([, value]) => value));
    router.go(router.link("deliveries", "", wanted));
  }

  drawFilters() {
    const chosen = this.filters.webhookId ?? "";
    const hooks = directory.all().map((hook) => [hook.id, directory.nameOf(hook.id)]).sort((a, b) => a[1].localeCompare(b[1]));
    if (chosen && !directory.find(chosen)) hooks.push([chosen, chosen]);
    fill(this.controls.webhookId, [["", "Any webhook"], ...hooks].map(([value, label]) => h("option", { value }, label)));
    for (const [name, control] of Object.entries(this.controls)) control.value = this.filters[name] ?? "";
    this.drawChips();
  }

  drawChips() {
    const labels = { webhookId: "Webhook", status: "Status", held: "Held", eventType: "Event type", eventId: "Event", externalId: "External id" };
    const shown = { webhookId: directory.nameOf, status: (name) => reasons.delivery(name).label, held: (yes) => (yes === "true" ? "yes" : "no") };
    const active = Object.entries(this.filters);
    this.chips.hidden = active.length === 0;
    fill(this.chips, active.map(([name, value]) => h("button.chip", {
      type: "button", "data-filter": name, title: `Remove the filter ${labels[name]}`, onclick: () => { this.set({ [name]: "" }); this.find.focus(); },
    }, h("span", `${labels[name]}: ${visible((shown[name] ?? String)(value))}`), icon("close"))));
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
    directory.ensure(page.data.map((row) => row.webhookId));
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
