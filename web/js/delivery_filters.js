/** The filters of the list of deliveries as a form: four in sight, one field that finds by id, chips for what is set. */
import * as directory from "./directory.js";
import { h, fill, icon, uniqueId } from "./dom.js";
import * as reasons from "./reasons.js";
import * as router from "./router.js";
import { visible } from "./text_block.js";

/** @typedef {Record<string, string>} Filters name to value; empty ones are absent */

/** [name, label, how a value reads] @type {[string, string, (value: string) => string][]} */
const fields = [
  ["webhookId", "Webhook", (id) => directory.nameOf(id)],
  ["status", "Status", (name) => reasons.delivery(name).label],
  ["held", "Held", (yes) => (yes === "true" ? "yes" : "no")],
  ["eventType", "Event type", String],
  ["eventId", "Event", String],
  ["externalId", "External id", String],
];

/** What an address asks for; an unknown part is left out. @param {URLSearchParams} query @returns {Filters} */
export function read(query) {
  const wanted = {};
  for (const [name] of fields) {
    const value = query.get(name)?.trim();
    if (value) wanted[name] = value;
  }
  if (!["true", "false"].includes(wanted.held)) delete wanted.held;
  if (!reasons.deliveryNames.includes(wanted.status)) delete wanted.status;
  return wanted;
}

/** @param {string} text an id, or what the producer calls it @returns {{open?: string, filter?: Filters}} */
function search(text) {
  if (/^dlv_[0-9a-z]{26}$/i.test(text)) return { open: router.link("deliveries", text) };
  if (/^dlq_[0-9a-z]{26}$/i.test(text)) return { open: router.link("entries", text) };
  if (/^whk_[0-9a-z]{26}$/i.test(text)) return { filter: { webhookId: text } };
  return { filter: /^evt_[0-9a-z]{26}$/i.test(text) ? { eventId: text } : { externalId: text } };
}

const options = (pairs) => pairs.map(([value, label]) => h("option", { value }, label));

export class DeliveryFilters {
  constructor() {
    /** @type {Filters} */
    this.filters = {};
    this.find = h("input", { type: "search", placeholder: "External id, dlv_… or evt_…", autocomplete: "off", spellcheck: "false" });
    this.controls = {
      webhookId: h("select"),
      status: h("select", options([["", "Any status"], ...reasons.deliveryNames.map((name) => [name, reasons.delivery(name).label])])),
      held: h("select", options([["", "Held or not"], ["true", "Held"], ["false", "Not held"]])),
      eventType: h("input", { placeholder: "order.paid", autocomplete: "off", spellcheck: "false" }),
    };
    this.chips = h("div.chips");
    this.element = h("form.filters", { role: "search", "aria-label": "Filter deliveries", onsubmit: (event) => this.submit(event) },
      h("div.filter-row", field("Find", this.find, true), Object.entries(this.controls).map(([name, control]) => this.control(name, control))),
      this.chips, h("button.visually-hidden", { type: "submit", tabindex: "-1" }, "Apply"));
  }

  control(name, control) {
    control.addEventListener("change", () => this.set({ [name]: control.value.trim() }));
    return field(fields.find(([one]) => one === name)?.[1], control);
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

  /** The address is where filters live: whoever shows the list follows it. */
  set(some) {
    const wanted = Object.entries({ ...this.filters, ...some }).filter(([, value]) => value);
    router.go(router.link("deliveries", "", Object.fromEntries(wanted)));
  }

  /** @param {Filters} current */
  show(current) {
    this.filters = current;
    const chosen = current.webhookId ?? "";
    const hooks = directory.all().map((hook) => [hook.id, directory.nameOf(hook.id)]).sort((a, b) => a[1].localeCompare(b[1]));
    if (chosen && !directory.find(chosen)) hooks.push([chosen, chosen]);
    fill(this.controls.webhookId, options([["", "Any webhook"], ...hooks]));
    for (const [name, control] of Object.entries(this.controls)) control.value = current[name] ?? "";
    const active = fields.filter(([name]) => current[name]);
    this.chips.hidden = active.length === 0;
    fill(this.chips, active.map(([name, label, say]) => h("button.chip", {
      type: "button", "data-filter": name, title: `Remove the filter ${label}`, onclick: () => this.drop(name),
    }, h("span", `${label}: ${visible(say(current[name]))}`), icon("close"))));
  }

  drop(name) {
    this.set({ [name]: "" });
    this.find.focus();
  }
}

function field(label, control, wide) {
  control.id = uniqueId("filter");
  return h("div.field", { class: wide && "wide" }, h("label", { for: control.id }, label), control);
}
