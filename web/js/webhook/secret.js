/** Rotating a webhook's secret: asks how long the old one signs along, and shows the new one this once. */
import * as api from "../api.js";
import * as dialog from "../dialog.js";
import { h, icon, uniqueId } from "../dom.js";
import { copyButton } from "../text_block.js";

const graces = [[86_400, "A day"], [3600, "An hour"], [7 * 86_400, "Seven days"], [0, "Not at all: it stops at once"]];

/** @param {any} hook @param {string} name @returns {Promise<number|undefined>} seconds, or nothing if it was called off */
function ask(hook, name) {
  const id = uniqueId("grace");
  const grace = h("select", { id, name: "grace" }, graces.map(([value, label]) => h("option", { value }, label)));
  return dialog.open("act", "Rotate the secret?", (close) => [
    h("p", h("strong", name), " gets a new ", hook.signing === "v1a" ? "key pair" : "secret", "; its receiver must take it up."),
    h("div.field", h("label", { for: id }, "The old one signs along for"), grace),
    h("div.actions", h("button", { type: "button", onclick: () => close() }, "Cancel"), h("button.act", { type: "submit" }, icon("replay"), "Rotate")),
  ], () => Number(grace.value));
}

/** Not closed by Escape: what it shows cannot be had again. */
function show(answer) {
  const secret = answer.secret ?? answer.publicKey;
  const once = answer.secret
    ? "It is shown this once and cannot be read again. Put it where the receiver checks signatures."
    : "The receiver checks signatures with this public key.";
  return dialog.open("act", answer.secret ? "The new secret" : "The new public key", () => [
    h("p", once),
    h("div.secret", h("code.mono", { id: "new-secret" }, secret), copyButton(secret, answer.secret ? "secret" : "public key")),
    h("div.actions", h("button.act", { type: "submit" }, answer.secret ? "I have kept it" : "Close")),
  ], undefined, { stays: true });
}

/** @param {any} hook @param {string} name @param {(hook: any) => void} rotated @returns {Promise<boolean>} whether it was */
export async function rotate(hook, name, rotated) {
  const graceSeconds = await ask(hook, name);
  if (graceSeconds === undefined) return false;
  const { secret, ...now } = await api.post(`/v1/webhooks/${hook.id}/rotate-secret`, { graceSeconds });
  rotated(now);
  await show({ ...now, secret });
  return true;
}
