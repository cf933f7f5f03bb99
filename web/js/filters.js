/**
 * The filters of the list: one table of what can be filtered, between the address, the API and the form. An address
 * that names something else is not refused: the unknown part is left out.
 */
import * as directory from "./directory.js";
import * as reasons from "./reasons.js";

/** @typedef {Record<string, string>} Filters name to value; empty ones are absent */

/** In the order of the form. @type {{name: string, label: string, show?: (value: string) => string}[]} */
export const fields = [
  { name: "webhookId", label: "Webhook", show: (ids) => ids.split(",").map((id) => directory.nameOf(id)).join(", ") },
  { name: "eventType", label: "Event type" },
  { name: "failureReason", label: "Reason", show: (names) => names.split(",").map(reasons.reasonLabel).join(", ") },
  { name: "from", label: "From", show: time },
  { name: "to", label: "To", show: time },
  { name: "channel", label: "Channel" },
  { name: "externalId", label: "External id" },
  { name: "eventId", label: "Event" },
  { name: "customerExternalId", label: "Customer" },
  { name: "statusCode", label: "HTTP status" },
  { name: "fingerprint", label: "Same cause as", show: (value) => value.slice(0, 8) },
];

export const periods = [["", "Any time"], ["-15m", "Last 15 minutes"], ["-1h", "Last hour"], ["-24h", "Last 24 hours"], ["-7d", "Last 7 days"]];

function time(value) {
  const period = periods.find(([v]) => v === value);
  if (period && value) return period[1].toLowerCase();
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? value : at.toLocaleString();
}

/** @param {URLSearchParams} query @returns {Filters} state is always there */
export function read(query) {
  const state = query.get("state") ?? "open";
  const known = state === "all" || state.split(",").every((s) => reasons.stateNames.includes(s));
  const filters = { state: known ? state : "open" };
  for (const { name } of fields) {
    const value = query.get(name)?.trim();
    if (value) filters[name] = value;
  }
  return filters;
}

/** @param {Filters} filters @returns {URLSearchParams} without what is the default */
export function write(filters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) if (value && !(name === "state" && value === "open")) query.set(name, value);
  return query;
}

/** @param {Filters} filters @returns {string} the same for the same list */
export const key = (filters) => new URLSearchParams(Object.entries(filters).sort()).toString();

/** Those that narrow the list. @param {Filters} filters */
export const active = (filters) => fields.filter(({ name }) => filters[name]).map((f) => ({ ...f, value: f.show ? f.show(filters[f.name]) : filters[f.name] }));

/**
 * What somebody put into the search field: an entry to open, or a filter to set.
 * @param {string} text @returns {{open?: string, filter?: [string, string]}}
 */
export function search(text) {
  const id = text.trim();
  if (/^(dlq|dlv)_[0-9a-z]{26}$/i.test(id)) return { open: id };
  if (/^evt_[0-9a-z]{26}$/i.test(id)) return { filter: ["eventId", id] };
  if (/^whk_[0-9a-z]{26}$/i.test(id)) return { filter: ["webhookId", id] };
  return id ? { filter: ["externalId", id] } : {};
}
