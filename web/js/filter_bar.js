/** The filters as a form: the search field, four in sight, the rest folded; what is set shows as chips. */
import * as directory from "./directory.js";
import { h, fill, icon, uniqueId } from "./dom.js";
import * as filters from "./filters.js";
import * as reasons from "./reasons.js";

const MORE = ["channel", "externalId", "customerExternalId", "statusCode"];

export class FilterBar {
  /** @param {(filters: filters.Filters) => void} changed @param {(id: string) => void} open an entry that was searched for */
  constructor(changed, open) {
    this.changed = changed;
    this.open = open;
    /** @type {filters.Filters} */
    this.filters = {};
    this.controls = new Map();
    this.chips = h("div.chips");
    this.types = h("datalist", { id: uniqueId("types") });
    this.search = h("input", { id: uniqueId("search"), type: "search", placeholder: "External id, dlq_…, dlv_… or evt_…", autocomplete: "off", spellcheck: "false" });
    this.more = h("details", h("summary", "More filters"), h("div.filter-row", this.rest()));
    this.element = h("form.filters", { role: "search", "aria-label": "Filter dead letters", onsubmit: (event) => this.submit(event) },
      h("div.filter-row", h("div.field.wide", h("label", { for: this.search.id }, "Find"), this.search), this.first()),
      this.more, this.chips, this.types, h("button.visually-hidden", { type: "submit", tabindex: "-1" }, "Apply"));
  }

  first() {
    return [
      this.field("webhookId", "Webhook", h("select")),
      this.field("failureReason", "Reason", h("select", option("", "Any reason"), reasons.reasonNames.map((name) => option(name, `${reasons.reasonLabel(name)} (${name})`)))),
      this.field("eventType", "Event type", h("input", { list: this.types.id, autocomplete: "off", spellcheck: "false", placeholder: "order.paid" })),
      this.field("period", "Entered", h("select", filters.periods.map(([value, label]) => option(value, label)), option("custom", "Between…"))),
    ];
  }

  rest() {
    const label = (name) => filters.fields.find((f) => f.name === name)?.label ?? name;
    return [
      MORE.map((name) => this.field(name, label(name), h("input", { autocomplete: "off", spellcheck: "false", inputmode: name === "statusCode" ? "numeric" : null }))),
      this.field("from", "From", h("input", { type: "datetime-local", step: "1" })),
      this.field("to", "To (not included)", h("input", { type: "datetime-local", step: "1" })),
    ];
  }

  field(name, label, control) {
    control.id = uniqueId(name);
    control.addEventListener("change", () => this.take(name, control.value.trim()));
    this.controls.set(name, control);
    return h("div.field", h("label", { for: control.id }, label), control);
  }

  take(name, value) {
    if (name === "period") this.takePeriod(value);
    else if (name === "from" || name === "to") this.set({ [name]: value ? new Date(value).toISOString() : "" });
    else if (value !== (this.filters[name] ?? "")) this.set({ [name]: value });
  }

  takePeriod(value) {
    if (value !== "custom") {
      this.set({ from: value, to: "" });
      return;
    }
    this.more.open = true;
    this.controls.get("from").focus();
  }

  set(some) {
    this.changed({ ...this.filters, ...some });
  }

  submit(event) {
    event.preventDefault();
    const found = filters.search(this.search.value);
    this.search.value = "";
    if (found.open) this.open(found.open);
    else if (found.filter) this.set({ [found.filter[0]]: found.filter[1] });
  }

  /** @param {filters.Filters} current */
  show(current) {
    this.filters = current;
    this.fillWebhooks(current.webhookId ?? "");
    for (const [name, control] of this.controls) if (name !== "period" && name !== "webhookId") this.put(name, control);
    const relative = filters.periods.some(([value]) => value === (current.from ?? "")) && !current.to;
    this.controls.get("period").value = relative ? current.from ?? "" : "custom";
    if (!relative || MORE.some((name) => current[name])) this.more.open = true;
    this.drawChips();
  }

  /** An address may name several reasons at once: the form shows them as one more choice. */
  put(name, control) {
    const value = this.shown(name);
    control.querySelector("[data-several]")?.remove();
    if (value.includes(",") && control.tagName === "SELECT") control.append(h("option", { value, "data-several": true }, filters.active(this.filters).find((f) => f.name === name)?.value));
    control.value = value;
  }

  shown(name) {
    const value = this.filters[name] ?? "";
    if (name !== "from" && name !== "to") return value;
    const at = new Date(value);
    if (!value || Number.isNaN(at.getTime())) return "";
    return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  }

  fillWebhooks(chosen) {
    const hooks = directory.all().map((hook) => [hook.id, directory.nameOf(hook.id)]).sort((a, b) => a[1].localeCompare(b[1]));
    const select = this.controls.get("webhookId");
    fill(select, option("", "Any webhook"), hooks.map(([id, name]) => option(id, name)),
      chosen && !directory.find(chosen) && option(chosen, chosen));
    select.value = chosen;
  }

  /** @param {Iterable<string>} names event types that were seen, as suggestions */
  suggestTypes(names) {
    fill(this.types, [...new Set(names)].sort().map((name) => h("option", { value: name })));
  }

  drawChips() {
    const active = filters.active(this.filters);
    this.chips.hidden = active.length === 0;
    fill(this.chips, active.map(({ name, label, value }) =>
      h("button.chip", { type: "button", "data-filter": name, title: `Remove the filter ${label}`, onclick: () => this.drop(name) },
        h("span", `${label}: ${value}`), icon("close"))),
    active.length > 1 && h("button.plain.tiny", { type: "button", onclick: () => this.changed({ state: this.filters.state }) }, "Clear all"));
  }

  drop(name) {
    this.set({ [name]: "" });
    (this.chips.querySelector("button") ?? this.search).focus();
  }
}

const option = (value, label) => h("option", { value }, label);
