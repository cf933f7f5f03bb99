/**
 * What people decide about a dead letter: replay, discard, take back. Asks where it must, calls the API, says what
 * happened. Two acts, two dialogs, two colours.
 */
import * as api from "./api.js";
import { announce, toast } from "./announce.js";
import * as dialog from "./dialog.js";
import * as directory from "./directory.js";
import { h, icon, uniqueId } from "./dom.js";
import * as reasons from "./reasons.js";
import * as session from "./session.js";

const COMMON_REASONS = ["Handled by hand", "Duplicate", "Test data", "No longer needed"];

/** Why an act is not possible, or "". @param {any} entry */
export function whyNotReplay(entry) {
  if (!session.may("dlq:replay")) return "Your membership does not include replaying (dlq:replay).";
  return entry.replayable ? "" : reasons.whyNotReplayable(entry.notReplayableReason) || "It cannot be replayed.";
}

/** @param {any} entry */
export function whyNotDiscard(entry) {
  if (!session.may("dlq:discard")) return "Your membership does not include discarding (dlq:discard).";
  return entry.state === "open" ? "" : `Only an open dead letter can be discarded; this one ${reasons.state(entry.state).means}.`;
}

/** Tells whoever shows numbers that they are old. */
const changedSomething = () => document.dispatchEvent(new Event("dlo-changed"));

function about(entry) {
  return h("p", h("strong", entry.eventType ?? "An event"), " for ", h("strong", directory.nameOf(entry.webhookId, entry.destination?.url)));
}

/** Whether today's transform could make other bytes of it than those that were sent. @param {any} entry */
export const hasChoice = (entry) => Boolean(directory.find(entry.webhookId)?.transform);

/** "As it was sent" or "with today's transform"; what never passed its transform has only the latter. */
export class ModeChoice {
  /** @param {any} entry */
  constructor(entry) {
    const name = uniqueId("mode");
    const sent = entry.attemptCount > 0;
    this.inputs = [["snapshot", "as it was sent", sent], ["current", "with today's transform", true]].map(([value, label, possible]) => ({
      label, input: h("input", { type: "radio", name, value, disabled: !possible, id: uniqueId("mode") }),
    }));
    this.inputs[sent ? 0 : 1].input.checked = true;
    this.element = h("fieldset.mode", h("legend", "Replay"), this.inputs.map(({ label, input }) => h("label.check", { for: input.id }, input, label)),
      !sent && h("span.muted.small", "It was never sent."));
  }

  /** @returns {"snapshot"|"current"} */
  get value() {
    return this.inputs.find(({ input }) => input.checked)?.input.value ?? "snapshot";
  }
}

/** Sends it again. @param {any} entry @param {"snapshot"|"current"} [mode] @returns {Promise<{deliveryId: string}>} */
export async function replay(entry, mode = "snapshot") {
  const answer = await api.post(`/v1/dlq/${entry.id}/re-drive`, mode === "current" ? { mode } : {});
  changedSomething();
  announce(answer.reused ? "It is being replayed already." : "Replaying.");
  return answer;
}

/** For keys, which are pressed by mistake. @param {any} entry @returns {Promise<"snapshot"|"current"|undefined>} nothing if it was called off */
export function askReplay(entry) {
  const choice = hasChoice(entry) ? new ModeChoice(entry) : null;
  return dialog.open("act", "Replay this dead letter?", (close) => [
    about(entry),
    h("p.muted", "A new delivery goes to the webhook as it is configured now."),
    choice?.element,
    h("div.actions", h("button", { type: "button", onclick: () => close() }, "Cancel"),
      h("button.act", { type: "submit", autofocus: true }, icon("replay"), "Replay 1 entry")),
  ], () => choice?.value ?? "snapshot");
}

/** @param {any} entry @returns {Promise<string|undefined>} the reason, or nothing if it was called off */
export function askDiscard(entry) {
  const id = uniqueId("reason");
  const reason = h("textarea", { id, name: "reason", required: true, maxlength: "1000", rows: "3", autofocus: true });
  const suggest = (text) => h("button.tiny", { type: "button", onclick: () => { reason.value = text; reason.focus(); } }, text);
  return dialog.open("danger", "Discard this dead letter?", (close) => [
    about(entry),
    h("p.muted", "It will not be sent. It stays under Discarded, from where it can be restored until it expires."),
    h("div.field", h("label", { for: id }, "Why? The audit keeps it."), reason, h("div.suggestions", COMMON_REASONS.map(suggest))),
    h("div.actions", h("button", { type: "button", onclick: () => close() }, "Cancel"),
      h("button.danger-full", { type: "submit" }, icon("trash"), "Discard 1 entry")),
  ], () => reason.value.trim() || undefined);
}

/**
 * Discards and offers the way back. @param {any} entry @param {string} reason
 * @param {(entry: any) => void} changed called with the entry as it is then, also after an undo
 */
export async function discard(entry, reason, changed) {
  changed(await api.post(`/v1/dlq/${entry.id}/discard`, { reason }));
  changedSomething();
  const undo = () => restore(entry, changed).catch((problem) => toast(problem.message));
  toast(`Discarded ${entry.eventType ?? "the dead letter"}.`, { label: "Undo", run: undo });
}

/** @param {any} entry @param {(entry: any) => void} changed */
export async function restore(entry, changed) {
  changed(await api.post(`/v1/dlq/${entry.id}/restore`));
  changedSomething();
  announce("Restored: the dead letter is open again.");
}
