/** What became of a dead letter after somebody decided: how its replay goes, or who let it go and why. */
import * as api from "../api.js";
import * as clock from "../clock.js";
import { h, icon } from "../dom.js";
import * as format from "../format.js";
import * as reasons from "../reasons.js";
import * as router from "../router.js";
import * as session from "../session.js";
import { visible } from "../text_block.js";
import { what } from "./timeline.js";

/** @param {any} entry @returns {Promise<HTMLElement|null>} */
export async function outcome(entry) {
  if (entry.state === "discarded") return discarded(entry);
  if (!entry.replayedAs) return null;
  const delivery = await api.get(`/v1/deliveries/${entry.replayedAs}`).catch(() => null);
  const build = { replaying, resolved, refailed }[entry.state];
  return build ? build(delivery, entry) : null;
}

function box(tone, sign, title, ...rest) {
  return h("div.notice.outcome", { class: tone, tabindex: "-1", id: "outcome" }, sign, h("div.progress", h("strong", title), ...rest));
}

const lastOf = (delivery) => delivery?.attempts?.at(-1);

function replaying(delivery) {
  const last = lastOf(delivery);
  return box("busy", h("span.spinner", { "aria-hidden": "true" }), "Replaying…",
    h("span", last ? [`Attempt ${last.n}: ${what(last)}. `, delivery.nextAttemptAt && ["Next one ", clock.until(delivery.nextAttemptAt), "."]] : "Waiting for its first attempt."),
    delivery?.heldBecause && h("span", `Held because ${reasons.holdSentence(delivery.heldBecause)}.`));
}

function resolved(delivery) {
  const last = lastOf(delivery);
  return box("good", icon("check"), "It arrived.",
    h("span", last ? [`The receiver answered ${what(last)} in ${format.latency(last.timing.totalMs)}, `, clock.ago(last.at), `, at attempt ${last.n} of the replay.`] : "The replay was delivered."));
}

function refailed(delivery) {
  const last = lastOf(delivery);
  return box("warn", icon("cross"), "The replay failed too.",
    h("span", last && `${format.plural(delivery.attemptCount, "attempt")}, the last: ${what(last)}${last.error && last.error !== what(last) ? ` (${visible(last.error)})` : ""}. `,
      delivery?.entryId && h("a", { href: router.link("entries", delivery.entryId) }, "Open the new dead letter")));
}

function discarded(entry) {
  const { by, at, reason } = entry.discarded ?? {};
  const who = by === session.user()?.id ? "you" : (by ?? "somebody").replace(/^key_/, "the API key key_");
  return box("", icon("trash"), "Discarded", h("span", `By ${who} `, clock.ago(at), reason && `: “${visible(reason)}”`));
}
