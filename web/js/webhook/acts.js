/** What can be done with a webhook, each with its outcome in a sentence. Asks before what stops deliveries. */
import * as api from "../api.js";
import * as dialog from "../dialog.js";
import { h, icon } from "../dom.js";
import * as format from "../format.js";

const path = (hook, act) => `/v1/webhooks/${hook.id}/${act}`;

/** @param {any} hook @param {boolean} yes @returns {Promise<{hook: any, says: string}>} */
export async function pause(hook, yes) {
  const now = await api.post(path(hook, yes ? "pause" : "resume"));
  return { hook: now, says: yes ? "Paused: deliveries are held until it is resumed." : "Resumed: what was held goes out." };
}

/** @param {any} hook @param {any} health @returns {Promise<{says: string}>} */
export async function retryNow(hook, health) {
  const { moved, more } = await api.post(path(hook, "retry-now"));
  const n = `${format.plural(moved, "delivery", "deliveries")}${more ? ", and more behind them," : ""}`;
  if (health && health.circuit.state !== "closed") return { says: `The circuit is asked to try one at once; ${moved ? `${n} no longer wait for their retry.` : "the others follow if that succeeds."}` };
  return { says: moved ? `${n} will be sent now.` : "Nothing waited for its retry." };
}

/** @param {any} hook @param {boolean} yes @returns {Promise<{hook: any, says: string}>} */
export async function enable(hook, yes) {
  const now = await api.patch(`/v1/webhooks/${hook.id}`, { enabled: yes }, hook.version);
  return { hook: now, says: yes ? "Enabled: what was held goes out." : "Disabled: nothing is sent, deliveries are held." };
}

/** @param {string} name @returns {Promise<boolean>} */
export async function askDisable(name) {
  return Boolean(await dialog.open("danger", "Disable this webhook?", (close) => [
    h("p", "Nothing is sent to ", h("strong", name), " until it is enabled again."),
    h("p.muted", "Its deliveries are held; those that wait longer than its hold budget become dead letters. For a short while, pausing says more plainly what is meant."),
    h("div.actions", h("button", { type: "button", onclick: () => close() }, "Cancel"),
      h("button.danger-full", { type: "submit" }, icon("cross"), "Disable")),
  ]));
}
