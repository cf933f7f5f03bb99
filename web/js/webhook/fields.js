/**
 * The settings of a webhook: one table of what they are called, how they read, and how they are edited. The transform
 * is not among them, it has an editor of its own.
 */
import { h } from "../dom.js";
import * as format from "../format.js";
import { visible } from "../text_block.js";
import { words } from "./values.js";

/**
 * @typedef {object} Field
 * @property {string} name of the member, or "tls.ca"
 * @property {string} label
 * @property {string} group
 * @property {string} [kind] of kinds in values.js; absent: it is shown and not edited here
 * @property {"line"|"area"|"check"} [control]
 * @property {string} [hint]
 * @property {(hook: any) => any} show
 */

const per = (n) => `${n} a second`;
const code = (text) => h("code.mono", visible(text));

function channels(hook) {
  if (!hook.channels.length) return "All but those that begin with $";
  return hook.channels.includes("$dlq") ? [words.list(hook.channels, ""), h("span.sub", "$dlq: news of dead letters, circuits and disabled webhooks")] : words.list(hook.channels, "");
}

function authority(hook) {
  const n = (hook.tls?.ca?.match(/-----BEGIN/g) ?? []).length;
  return n ? `${format.plural(n, "certificate")} of its own, instead of the public ones` : "The public authorities";
}

function client(hook) {
  const shown = hook.tls?.clientCertificate;
  return shown ? [visible(String(shown.subject)), h("span.sub", `until ${format.full(shown.notAfter)}`)] : "None";
}

/** @type {Field[]} */
export const fields = [
  { name: "name", label: "Name", group: "Receiver", kind: "text", show: (w) => (w.name ? visible(w.name) : "–") },
  { name: "url", label: "URL", group: "Receiver", kind: "text", hint: "Another scheme, host or port drops the headers that are not sent with it.", show: (w) => code(w.url) },
  { name: "eventTypes", label: "Event types", group: "What it gets", kind: "list", hint: "order.paid, order.*, *: separated by commas or spaces. Empty: all.", show: (w) => words.list(w.eventTypes, "All") },
  { name: "channels", label: "Channels", group: "What it gets", kind: "list", hint: "Empty: all. $dlq: our own news of dead letters and circuits.", show: channels },
  { name: "dlqPayload", label: "Payloads in $dlq news", group: "What it gets", control: "check", hint: "News of a dead letter carries its payload.", show: (w) => (w.dlqPayload ? "Yes" : "No") },
  { name: "customerExternalIds", label: "Customers", group: "What it gets", show: (w) => words.list(w.customerExternalIds, "All") },
  { name: "maxPayloadBytes", label: "Largest payload (bytes)", group: "What it gets", kind: "number", hint: "Empty: what the project takes.", show: (w) => (w.maxPayloadBytes === null ? "What the project takes" : format.bytes(w.maxPayloadBytes)) },
  { name: "payloadSchema", label: "Payload schema", group: "What it gets", kind: "json", control: "area", hint: "JSON Schema 2020-12 or draft-07, run on what would be sent. Empty: none.", show: (w) => (w.payloadSchema === null ? "None" : h("details.setting-text", h("summary", "Show"), h("pre.text-block", { tabindex: "0", role: "region", "aria-label": "Payload schema" }, visible(JSON.stringify(w.payloadSchema, null, 2))))) },
  { name: "maxAttempts", label: "Attempts", group: "Retries", kind: "number", hint: "1 to 20.", show: (w) => `At most ${format.number(w.maxAttempts)}` },
  { name: "retrySchedule", label: "Retry after", group: "Retries", kind: "durations", hint: "5s, 1m, 10m, 1h: each ± 20 %, the last is repeated.", show: (w) => w.retrySchedule.map(words.duration).join(", then ") },
  { name: "holdBudgetSeconds", label: "Held at most", group: "Retries", kind: "duration", hint: "1d, 12h or seconds, while paused, disabled or resting. Empty: the default.", show: (w) => words.duration(w.holdBudgetSeconds) },
  { name: "timeoutMs", label: "Answer within (ms)", group: "Retries", kind: "number", hint: "100 to 60,000.", show: (w) => format.latency(w.timeoutMs) },
  { name: "expectedStatuses", label: "Expected failures", group: "Retries", kind: "numbers", hint: "Statuses that are no trouble: 404, 410.", show: (w) => words.list(w.expectedStatuses, "None") },
  { name: "maxConcurrency", label: "At once", group: "Pressure", kind: "number", hint: "1 to 1,000 requests.", show: (w) => `At most ${format.plural(w.maxConcurrency, "request")}` },
  { name: "ratePerSecond", label: "Rate (per second)", group: "Pressure", kind: "number", hint: "Empty: no limit of its own.", show: (w) => (w.ratePerSecond === null ? "No limit of its own" : per(w.ratePerSecond)) },
  { name: "signing", label: "Signature", group: "Security", show: (w) => (w.signing === "v1a" ? ["v1a (Ed25519), public key ", code(w.publicKey ?? "")] : "v1 (HMAC-SHA256)") },
  { name: "oldSecretValidUntil", label: "Old secret signs until", group: "Security", show: (w) => w.oldSecretValidUntil && format.full(w.oldSecretValidUntil) },
  { name: "headers", label: "Headers of its own", group: "Security", show: (w) => words.list(Object.keys(w.headers), "None") },
  { name: "tls.ca", label: "TLS authority (PEM)", group: "Security", kind: "text", control: "area", hint: "Certificates its receiver is checked against. Empty: the public ones.", show: authority },
  { name: "tls.clientCertificate", label: "Client certificate", group: "Security", show: client },
];

export const groups = [...new Set(fields.map((field) => field.group))];
export const editable = fields.filter((field) => field.kind || field.control === "check");

/** @param {any} hook @param {string} name @returns {any} null: not set */
export const valueOf = (hook, name) => name.split(".").reduce((at, part) => at?.[part], hook) ?? null;

/** The field that a JSON Pointer of the server points into. @param {string} pointer */
export function fieldAt(pointer) {
  const dotted = pointer.replace(/^\//, "").replaceAll("/", ".");
  return editable.find(({ name }) => dotted === name || dotted.startsWith(`${name}.`)) ?? editable.find(({ name }) => name.startsWith(`${dotted}.`));
}

/** All of them to read. @param {any} hook */
export function overview(hook) {
  return groups.map((group) => h("section.setting-group", h("h3", group), h("dl.settings", fields.filter((field) => field.group === group)
    .map((field) => [field, field.show(hook)]).filter(([, shown]) => shown)
    .map(([field, shown]) => h("div", { "data-setting": field.name }, h("dt", field.label.replace(/ \(.*\)$/, "")), h("dd", shown))))));
}
