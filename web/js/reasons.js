/**
 * The vocabulary of dead letters in words for people: why one died, what state it is in, why it cannot be replayed.
 */

/** name: [short label, what happened, whose side: "theirs", "ours" or ""] */
const reasons = {
  timeout: ["Timeout", "The receiver did not answer in time.", "theirs"],
  http_5xx: ["Server error", "The receiver answered with a server error.", "theirs"],
  http_4xx: ["Refused", "The receiver refused the request. Sent again unchanged, it will probably refuse it again.", "theirs"],
  http_429: ["Rate limited", "The receiver said it gets too many requests.", "theirs"],
  http_408: ["Timeout (408)", "The receiver gave up waiting for the request.", "theirs"],
  redirect: ["Redirect", "The receiver points elsewhere. Redirects are not followed: correct the webhook's URL.", "theirs"],
  connection_refused: ["Connection refused", "Nobody listens at the address.", "theirs"],
  connection_reset: ["Connection reset", "The receiver broke off the connection.", "theirs"],
  dns: ["DNS", "The receiver's name could not be resolved.", "theirs"],
  tls: ["TLS", "No secure connection could be made: certificate, name or protocol.", "theirs"],
  network: ["Network", "The receiver could not be reached.", ""],
  address_refused: ["Address refused", "The name leads to an address that is not public and not on the allow list.", "ours"],
  response_too_large: ["Answer too large", "The receiver's answer was larger than is read.", "theirs"],
  invalid_response: ["Invalid answer", "What the receiver answered is not HTTP.", "theirs"],
  retries_exhausted: ["Gave up", "The attempts failed in different ways until none was left.", "theirs"],
  circuit_open: ["Held too long", "It waited for its receiver longer than the webhook's hold budget.", "theirs"],
  payload_rejected: ["Payload rejected", "The payload does not fit what the webhook takes.", "ours"],
  payload_too_large: ["Payload too large", "The payload is larger than the webhook takes.", "ours"],
  endpoint_disabled: ["Webhook disabled", "The webhook is disabled.", "ours"],
  transform_failed: ["Transform failed", "The webhook's transform failed.", "ours"],
  internal: ["Internal", "It failed here, not at the receiver. This is a fault to report.", "ours"],
  unroutable: ["Unroutable", "No webhook wanted this event.", "ours"],
};

export const reasonNames = Object.keys(reasons).filter((name) => name !== "unroutable");
/** @param {string} name */
export const reasonLabel = (name) => reasons[name]?.[0] ?? name;
/** @param {string} name */
export const reasonSentence = (name) => reasons[name]?.[1] ?? "";
/** @param {string} name */
export const reasonIsOurs = (name) => reasons[name]?.[2] === "ours";

/** What keeps a delivery that could be sent: [label, in a sentence] */
const holds = {
  circuit: ["Circuit open", "the circuit is open: its receiver rests after failures"],
  paused: ["Paused", "the webhook is paused"],
  disabled: ["Disabled", "the webhook is disabled"],
  rate: ["Rate", "the webhook's rate is reached"],
};

/** @param {string} name of what a delivery is held by */
export const holdLabel = (name) => holds[name]?.[0] ?? name;
/** @param {string} name */
export const holdSentence = (name) => holds[name]?.[1] ?? name;

/** name: [label, tone, icon] of a delivery's status */
const deliveries = {
  pending: ["Pending", "busy", "clock"],
  delivered: ["Delivered", "good", "check"],
  failed: ["Failed", "bad", "cross"],
  cancelled: ["Cancelled", "calm", "close"],
};

export const deliveryNames = Object.keys(deliveries);
/** @param {string} name */
export function delivery(name) {
  const [label, tone, icon] = deliveries[name] ?? [name, "calm", "dot"];
  return { label, tone, icon };
}

/** name: [label, tone, icon, explanation] */
const states = {
  open: ["Open", "bad", "inbox", "waits for a decision"],
  replaying: ["Replaying", "busy", "replay", "is being sent again"],
  resolved: ["Resolved", "good", "check", "arrived when it was sent again"],
  refailed: ["Failed again", "warn", "cross", "was sent again and failed; its new entry is open"],
  discarded: ["Discarded", "calm", "trash", "was let go"],
  expired: ["Expired", "calm", "clock", "is past its retention"],
};

export const stateNames = Object.keys(states).filter((name) => name !== "expired");
/** @param {string} name */
export function state(name) {
  const [label, tone, icon, means] = states[name] ?? [name, "calm", "dot", ""];
  return { label, tone, icon, means };
}

const notReplayable = {
  "already-replaying": "It is being replayed now.",
  "not-open": "Only an open dead letter can be replayed.",
  "payload-expired": "Its payload is past its retention.",
  "webhook-deleted": "Its webhook was deleted.",
  "endpoint-disabled": "Its webhook is disabled. Enable the webhook first.",
};

/** @param {string|null|undefined} name */
export const whyNotReplayable = (name) => (name ? notReplayable[name] ?? name : "");

/** @param {string} name of an attempt's outcome */
export function outcome(name) {
  if (name === "delivered") return { label: "Delivered", tone: "good", icon: "check" };
  if (name === "cancelled") return { label: "Cancelled", tone: "calm", icon: "close" };
  return { label: name === "permfail" ? "Refused for good" : "Failed", tone: "bad", icon: "cross" };
}
