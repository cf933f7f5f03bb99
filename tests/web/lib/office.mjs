/**
 * The office under test, spoken to as a producer would: with its API key. DLO_WEB_URL, DLO_WEB_API_KEY, DLO_WEB_LOGIN
 * and DLO_WEB_PASSWORD name a running stack whose worker may reach 127.0.0.1.
 */

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: start a stack first (see test_dashboard.py)`);
  return value;
}

export const url = setting("DLO_WEB_URL").replace(/\/$/, "");
export const login = setting("DLO_WEB_LOGIN");
export const password = setting("DLO_WEB_PASSWORD");
const key = setting("DLO_WEB_API_KEY");

/** @returns {Promise<any>} the answer's JSON; anything but 2xx throws */
export async function call(method, path, body, headers = {}) {
  const response = await fetch(url + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    body: typeof body === "string" || body === undefined ? body : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** Changes whatever version there is. */
export const patch = (path, body) => call("PATCH", path, body, { "If-Match": "*" });
export const put = (path, body) => call("PUT", path, body);

let serial = 0;
const run = `${process.pid.toString(36)}${Date.now().toString(36).slice(-4)}`;

/** A name no other test uses, fit for event types and channels. */
export const unique = (prefix) => `${prefix}.${run}.${(serial += 1)}`;

/** A webhook for one event type, that gives up after one attempt unless told otherwise. */
export function webhook(target, eventType, settings = {}) {
  return call("POST", "/v1/webhooks", { url: target, eventTypes: [eventType], maxAttempts: 1, retrySchedule: [1], timeoutMs: 2000, ...settings });
}

/** Sends an event. `payload` is text and goes out as it stands. */
export async function event(eventType, payload = '{"n":1}', more = {}) {
  const rest = Object.entries({ eventType, ...more }).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return (await call("POST", "/v1/events", `{${rest.join(",")},"payload":${payload}}`)).eventId;
}

/** Waits for what a condition gives, at most half a minute: the machine may be busy. */
export async function until(what, condition) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The open entries of an event type, once there are `n`. */
export function entries(eventType, n = 1) {
  return until(`${n} dead letters of ${eventType}`, async () => {
    const { data } = await call("GET", `/v1/dlq?eventType=${eventType}`);
    return data.length >= n && data;
  });
}

/** A dead letter of its own: webhook, event, entry. */
export async function deadLetter(target, { payload, name, event: more, settings } = {}) {
  const eventType = unique("web.dead");
  const hook = await webhook(target, eventType, { name: name ?? eventType, ...settings });
  await event(eventType, payload, more);
  const [entry] = await entries(eventType);
  return { eventType, hook, entry };
}

/** A webhook whose circuit has opened, with deliveries held behind it. */
export async function openCircuit(target, settings = {}) {
  const eventType = unique("web.circuit");
  const hook = await webhook(target, eventType, { name: eventType, maxAttempts: 3, retrySchedule: [60], ...settings });
  await batch(eventType, 30);
  await until("the circuit to open", async () => (await call("GET", `/v1/webhooks/${hook.id}/health`)).circuit.state !== "closed");
  await batch(eventType, 5);
  return { eventType, hook };
}

const batch = (eventType, n) => call("POST", "/v1/events/batch", { events: Array.from({ length: n }, () => ({ eventType, payload: {} })) });

/** Waits until a sender says that it can run transforms. */
export async function transforms() {
  const hook = await webhook("http://127.0.0.1:9/", unique("web.transforms"));
  await until("a sender that runs transforms", () => patch(`/v1/webhooks/${hook.id}`, { transform: "." }).catch(() => null));
}
