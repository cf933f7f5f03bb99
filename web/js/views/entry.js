/**
 * One dead letter: what happened, what can be done about it, and what came of it, seen without reloading. The attempts
 * and the message never change and are drawn once; head and outcome follow the state.
 */
import * as api from "../api.js";
import { announce, toast } from "../announce.js";
import * as badge from "../badge.js";
import * as clock from "../clock.js";
import * as decide from "../decide.js";
import * as directory from "../directory.js";
import { h, fill, icon } from "../dom.js";
import { AttemptDetail } from "../entry/attempt.js";
import { chain } from "../entry/chain.js";
import { message } from "../entry/message.js";
import { outcome } from "../entry/outcome.js";
import { Timeline } from "../entry/timeline.js";
import * as format from "../format.js";
import { failure, loading } from "../notice.js";
import { Poller } from "../poller.js";
import * as reasons from "../reasons.js";
import * as router from "../router.js";
import * as session from "../session.js";
import { copy, copyButton, visible } from "../text_block.js";

const EVERY_MS = 5000;
const PENDING_MS = 1000;

/** Where "back" leads: the list as it was filtered. */
let listHash = "#/entries";
addEventListener("hashchange", (event) => {
  const { hash } = new URL(event.oldURL);
  const route = router.parse(hash);
  if (route.name === "entries" && !route.id) listHash = hash || "#/entries";
});

export class EntryView {
  /** @param {router.Route} route */
  constructor(route) {
    this.id = route.id;
    this.title = "Dead letter";
    this.entry = null;
    this.shown = "";
    this.settled = "";
    this.timeline = null;
    this.heading = h("h1", { tabindex: "-1" }, "Dead letter");
    this.head = h("div.panel");
    this.outcome = h("div.entry-outcome", { "aria-live": "polite" });
    this.rest = h("div.view");
    this.buttons = h("div.entry-actions.sticky");
    this.facts = h("div");
    this.links = h("div");
    this.element = h("article.view", h("p", h("a.back", { href: listHash }, icon("left"), "Dead letters")), this.head, this.rest);
    fill(this.head, loading("Loading the dead letter…"));
    this.poller = new Poller((signal) => this.ask(signal), () => (this.entry?.state === "replaying" ? PENDING_MS : EVERY_MS), (problem) => this.fail(problem));
    this.keys = {
      r: () => this.askReplay(), d: () => this.discard(), u: () => router.go(listHash),
      "[": () => this.timeline?.move(1), "]": () => this.timeline?.move(-1),
    };
  }

  async start() {
    await directory.load();
    this.poller.now();
  }

  stop() {
    this.poller.stop();
  }

  async ask(signal) {
    this.take(await api.get(`/v1/dlq/${encodeURIComponent(this.id)}`, { signal }));
  }

  fail(problem) {
    if (this.entry && problem.passing) return; // the strip on top says it; what is shown stays
    if (!problem.passing) this.poller.stop();
    fill(this.outcome);
    fill(this.rest);
    Object.assign(this, { entry: null, shown: "", settled: "" });
    fill(this.head, h("h1.visually-hidden", { tabindex: "-1" }, "Dead letter"), h("div.empty", failure(problem, problem.passing ? () => this.poller.now() : undefined)));
  }

  /** @param {any} entry as the server shows it now */
  take(entry) {
    const before = this.entry;
    this.entry = entry.attempts ? entry : { ...entry, attempts: before.attempts, originalMessage: before.originalMessage, artifacts: before.artifacts, terminalAttempt: before.terminalAttempt };
    if (!before) this.drawOnce();
    const now = JSON.stringify([entry.state, entry.replayable, entry.notReplayableReason, entry.expiresAt]);
    if (now !== this.shown) {
      this.shown = now;
      this.drawHead();
      this.drawChain();
      if (before && before.state !== entry.state) this.tell();
    }
    this.drawOutcome();
  }

  tell() {
    announce(`The dead letter ${reasons.state(this.entry.state).means}.`);
    document.dispatchEvent(new Event("dlo-changed"));
  }

  // --- drawing ---

  drawOnce() {
    const entry = this.entry;
    document.title = `${entry.eventType ?? "Dead letter"} · Dead Letter Office`;
    fill(this.heading, entry.eventType ?? "(no type)");
    const name = directory.nameOf(entry.webhookId, entry.destination?.url);
    this.state = h("span");
    fill(this.head,
      h("div.entry-head",
        h("div.entry-title", this.heading, this.state),
        h("p.entry-to", "to ", directory.find(entry.webhookId) ? h("a.strong", { href: router.link("webhooks", entry.webhookId) }, name) : h("strong", name), " ", h("span.mono", visible(entry.destination?.url ?? ""))),
        h("p.cause-line", badge.reason(entry.failureReason, entry.lastStatusCode), h("span", this.sentence(entry))),
        this.buttons, this.outcome),
      this.links, this.facts);
    fill(this.rest, this.attempts(entry), message(entry));
  }

  sentence(entry) {
    const tries = `${format.plural(entry.attemptCount, "attempt")}${entry.classification === "permanent" ? ", not retried further" : ""}`;
    return [`${reasons.reasonSentence(entry.failureReason)} ${tries}; `, "entered ", clock.ago(entry.createdAt), ". ",
      entry.intentional && "The webhook lists this status as expected. "];
  }

  drawHead() {
    const entry = this.entry;
    const held = this.buttons.contains(document.activeElement);
    fill(this.state, badge.state(entry.state));
    fill(this.buttons, entry.state === "discarded" ? this.restoreButton() : this.actButtons(entry),
      h("button.plain", { type: "button", onclick: () => copy(location.href) }, icon("copy"), h("span.label", "Copy link")),
      this.whyNot(entry));
    fill(this.facts, this.factList(entry));
    if (held && !this.buttons.contains(document.activeElement)) this.heading.focus({ preventScroll: true });
  }

  actButtons(entry) {
    const button = (kind, sign, label, not, run) =>
      h(`button.${kind}`, { type: "button", disabled: not !== "", title: not, "aria-describedby": not && "why-not", onclick: run }, icon(sign), label);
    this.mode = decide.hasChoice(entry) && !decide.whyNotReplay(entry) ? new decide.ModeChoice(entry) : null;
    return [
      this.mode?.element,
      button("act", "replay", "Replay", decide.whyNotReplay(entry), () => this.replay()),
      button("danger", "trash", "Discard…", decide.whyNotDiscard(entry), () => this.discard()),
    ];
  }

  restoreButton() {
    const may = session.may("dlq:discard");
    return h("button.act", { type: "button", disabled: !may, onclick: () => this.restore() }, icon("replay"), "Restore");
  }

  whyNot(entry) {
    const not = entry.state === "discarded" ? "" : decide.whyNotReplay(entry) || decide.whyNotDiscard(entry);
    const paused = !not && directory.find(entry.webhookId)?.paused && "The webhook is paused: a replay waits until it is resumed.";
    return (not || paused) && h("p.why-not", { id: "why-not" }, not || paused);
  }

  factList(entry) {
    const id = (text, what) => text && h("span.copy", h("code.mono", text), copyButton(text, what));
    const alike = h("a", { href: router.link("entries", "", { fingerprint: entry.fingerprint }) }, "Show entries alike");
    const facts = [
      ["Expires", [clock.until(entry.expiresAt), h("span.muted.small", ` ${format.full(entry.expiresAt)}`)]],
      ["Customer", entry.customerExternalId && h("a", { href: router.link("entries", "", { customerExternalId: entry.customerExternalId, state: "all" }) }, entry.customerExternalId)],
      ["Channel", entry.channel],
      ["Cause", alike],
      ["External id", id(entry.externalId, "external id")],
      ["Entry", id(entry.id, "entry id")],
      ["Delivery", h("span.copy", h("a.mono", { href: router.link("deliveries", entry.deliveryId) }, entry.deliveryId), copyButton(entry.deliveryId, "delivery id"))],
      ["Event (webhook-id)", id(entry.eventId, "event id")],
      ["Occurred", entry.occurredAt && format.full(entry.occurredAt)],
      ["First attempt", entry.firstAttemptAt && format.full(entry.firstAttemptAt)],
      ["Circuit opened by", entry.failureReason === "circuit_open" && this.openedBy(entry)],
    ];
    return h("dl.facts", facts.filter(([, value]) => value).map(([label, value]) => h("div", h("dt", label), h("dd", value))));
  }

  /** The deliveries that its error names. */
  openedBy(entry) {
    const ids = entry.lastError?.match(/dlv_[0-9a-z]{26}/g) ?? [];
    return ids.length > 0 && h("span.ids", ids.map((id) => h("a.mono", { href: router.link("deliveries", id) }, id)));
  }

  attempts(entry) {
    const detail = new AttemptDetail();
    this.timeline = new Timeline(entry, (attempt) => detail.show(attempt));
    const count = h("h2", `Attempts `, h("span.muted.small", format.number(entry.attempts.length)));
    const none = h("p.empty", "No request was made: it failed before.");
    if (entry.attempts.length) this.timeline.choose(0);
    return h("section.panel.attempts", { "aria-label": "Attempts" },
      h("div.attempts-list", h("div.section-head", count), this.timeline.element), entry.attempts.length ? detail.element : none);
  }

  async drawChain() {
    const entry = this.entry;
    if (entry.generation === 0 && !entry.replayedAs) return;
    const links = await chain(entry);
    if (entry === this.entry || links) fill(this.links, links);
  }

  async drawOutcome() {
    const entry = this.entry;
    if (entry.state === this.settled) return;
    const box = await outcome(entry);
    if (entry !== this.entry) return;
    const held = this.outcome.contains(document.activeElement);
    if (box?.textContent !== this.outcome.textContent) fill(this.outcome, box);
    if (held) this.outcome.querySelector("#outcome")?.focus();
    this.settled = entry.state === "replaying" ? "" : entry.state;
  }

  // --- acting ---

  async attempt(act) {
    try {
      await act();
    } catch (problem) {
      toast(problem.requestId ? `${problem.message} (request ${problem.requestId})` : problem.message);
      this.poller.now();
    }
  }

  replay(mode = this.mode?.value) {
    return this.attempt(async () => {
      const { deliveryId } = await decide.replay(this.entry, mode);
      this.take({ ...this.entry, state: "replaying", replayable: false, notReplayableReason: "already-replaying", replayedAs: deliveryId });
      this.poller.later(); // from now on every second
    });
  }

  async askReplay() {
    const not = this.entry ? decide.whyNotReplay(this.entry) : "It is not loaded yet.";
    if (not) {
      toast(not);
      return;
    }
    const mode = await decide.askReplay(this.entry);
    if (mode) await this.replay(mode);
  }

  async discard() {
    const not = this.entry ? decide.whyNotDiscard(this.entry) : "It is not loaded yet.";
    if (not) {
      toast(not);
      return;
    }
    const reason = await decide.askDiscard(this.entry);
    if (reason) await this.attempt(() => decide.discard(this.entry, reason, (entry) => this.take(entry)));
  }

  restore() {
    return this.attempt(() => decide.restore(this.entry, (entry) => this.take(entry)));
  }
}
