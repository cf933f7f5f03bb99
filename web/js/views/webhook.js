/**
 * One webhook: how its receiver does, what its settings are, and everything that can be done about it. Health is asked
 * for every few seconds; what somebody edits is never drawn over.
 */
import * as api from "../api.js";
import * as badge from "../badge.js";
import * as directory from "../directory.js";
import { h, fill, icon } from "../dom.js";
import { failure, loading } from "../notice.js";
import { Poller } from "../poller.js";
import * as router from "../router.js";
import * as session from "../session.js";
import { copyButton, visible } from "../text_block.js";
import * as acts from "../webhook/acts.js";
import { circuitBox } from "../webhook/circuit.js";
import { overview } from "../webhook/fields.js";
import { figures } from "../webhook/figures.js";
import { SettingsForm } from "../webhook/form.js";
import { Ping } from "../webhook/ping.js";
import { rotate } from "../webhook/secret.js";
import { TransformEditor } from "../webhook/transform.js";

const EVERY_MS = 5000;
const DENIED = "Your membership does not include changing webhooks (webhooks:write).";

export class WebhookView {
  /** @param {router.Route} route */
  constructor(route) {
    this.id = route.id;
    this.title = "Webhook";
    this.hook = null;
    this.health = null;
    this.drawn = "";
    /** @type {Map<string, string>} what each part says */
    this.parts = new Map();
    this.heading = h("h1", { tabindex: "-1" }, "Webhook");
    this.state = h("span");
    this.to = h("p.entry-to.webhook-to");
    this.buttons = h("div.actions.webhook-acts");
    this.outcome = h("div", { "aria-live": "polite" });
    this.ping = new Ping(this.id);
    this.standing = h("div.standing");
    this.figures = h("div");
    this.settings = h("div");
    this.head = h("div.panel");
    this.rest = h("div.view");
    this.element = h("article.view", h("p", h("a.back", { href: router.link("webhooks") }, icon("left"), "Webhooks")), this.head, this.rest);
    fill(this.head, loading("Loading the webhook…"));
    this.poller = new Poller((signal) => this.ask(signal), () => EVERY_MS, (problem) => this.fail(problem));
    this.keys = { u: () => router.go(router.link("webhooks")) };
  }

  start() {
    this.poller.now();
  }

  stop() {
    this.poller.stop();
    this.ping.stop();
    this.editor?.stop();
  }

  get name() {
    return this.hook.name || directory.shortUrl(this.hook.url);
  }

  async ask(signal) {
    const path = `/v1/webhooks/${encodeURIComponent(this.id)}`;
    const [hook, health] = await Promise.all([api.get(path, { signal }), api.get(`${path}/health`, { signal })]);
    this.health = health;
    this.take(hook);
  }

  fail(problem) {
    if (this.hook && problem.passing) return; // the strip on top says it; what is shown stays
    if (!problem.passing) this.poller.stop();
    fill(this.rest);
    fill(this.head, h("h1.visually-hidden", { tabindex: "-1" }, "Webhook"), h("div.empty", failure(problem, problem.passing ? () => this.poller.now() : undefined)));
  }

  /** @param {any} hook as it is now */
  take(hook) {
    const first = !this.hook;
    this.hook = hook;
    if (first) this.drawOnce();
    const now = JSON.stringify([hook, this.health]);
    if (now === this.drawn) return;
    this.drawn = now;
    this.draw();
  }

  // --- drawing ---

  drawOnce() {
    this.editor = new TransformEditor(this.hook, (hook) => this.changed(hook));
    this.editor.findSample().catch(() => { /* the example stays */ });
    fill(this.head, h("div.entry-head", h("div.entry-title", this.heading, this.state), this.to, this.buttons, this.outcome, this.ping.element, this.standing), this.figures);
    fill(this.rest, this.settings, this.editor.element);
  }

  draw() {
    document.title = `${this.name} · Dead Letter Office`;
    if (this.heading.textContent !== this.name) fill(this.heading, this.name);
    const { hook, health } = this;
    fill(this.state, badge.webhook(hook, health));
    this.ifNew("to", hook.url, () => this.drawTo());
    this.ifNew("buttons", [hook.paused, hook.enabled, hook.signing], () => this.drawButtons());
    this.ifNew("standing", [hook.paused, hook.enabled, hook.disabledReason, health.circuit], () => this.keepFocus(this.standing, () => fill(this.standing, this.stands())));
    this.keepFocus(this.figures, () => fill(this.figures, figures(hook, health)));
    if (!this.form) this.ifNew("settings", hook, () => this.drawSettings());
    this.editor.update(hook);
  }

  /** Draws a part only if it says something else: under somebody's pointer a button stays the same button. */
  ifNew(part, says, draw) {
    const now = JSON.stringify(says);
    if (this.parts.get(part) === now) return;
    this.parts.set(part, now);
    draw();
  }

  drawTo() {
    fill(this.to, h("span.mono", visible(this.hook.url)), " ", h("span.copy", h("code.mono", this.hook.id), copyButton(this.hook.id, "webhook id")),
      h("a", { href: router.link("deliveries", "", { webhookId: this.hook.id }) }, "Its deliveries"));
  }

  /** The link that had the focus has it again. */
  keepFocus(element, draw) {
    const href = element.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
    draw();
    if (href) element.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus();
  }

  stands() {
    const { hook, health } = this;
    const why = [];
    if (!hook.enabled) why.push(h("div.notice.bad", icon("cross"), h("div", h("strong", "Disabled"), hook.disabledReason ? `: ${visible(hook.disabledReason)}. ` : " by its settings. ", "Nothing is sent; deliveries are held.")));
    if (hook.paused) why.push(h("div.notice.warn", icon("pause"), h("div", h("strong", "Paused."), " Deliveries are held until it is resumed.")));
    return [why, circuitBox(health)];
  }

  drawButtons() {
    const { hook } = this;
    const may = session.may("webhooks:write");
    const focused = this.buttons.contains(document.activeElement) ? document.activeElement?.getAttribute("data-act") : null;
    const button = (act, label, sign, run, kind = "") => h(`button${kind}`, { type: "button", "data-act": act, disabled: !may, title: may ? null : DENIED, onclick: (event) => this.act(event.currentTarget, run) }, icon(sign), label);
    fill(this.buttons,
      button("ping", "Ping", "out", () => this.sendPing()),
      button("retry-now", "Retry now", "replay", () => acts.retryNow(this.hook, this.health)),
      hook.paused ? button("pause", "Resume", "play", () => acts.pause(this.hook, false), ".act") : button("pause", "Pause", "pause", () => acts.pause(this.hook, true)),
      hook.enabled ? button("enable", "Disable…", "cross", () => this.disable(), ".danger") : button("enable", "Enable", "check", () => acts.enable(this.hook, true), ".act"),
      button("rotate", hook.signing === "v1a" ? "Rotate key…" : "Rotate secret…", "replay", () => this.rotate()),
      !may && h("p.why-not", DENIED));
    if (focused) this.buttons.querySelector(`[data-act="${focused}"]`)?.focus();
  }

  drawSettings() {
    const may = session.may("webhooks:write");
    const open = this.settings.querySelector("details[open]") !== null;
    const focused = this.settings.contains(document.activeElement);
    fill(this.settings, h("section.panel", { "aria-labelledby": "settings-heading" },
      h("div.section-head", h("h2", { id: "settings-heading" }, "Settings"),
        h("button.tiny", { type: "button", disabled: !may, title: may ? null : DENIED, "data-act": "edit", onclick: () => this.edit() }, "Edit")),
      h("div.setting-groups", overview(this.hook))));
    if (open) this.settings.querySelector("details")?.setAttribute("open", "");
    if (focused) this.settings.querySelector('[data-act="edit"]')?.focus();
  }

  edit() {
    this.form = new SettingsForm(this.hook, { saved: (hook, names) => this.saved(hook, names), cancelled: () => this.leaveForm() });
    fill(this.settings, h("section.panel", { "aria-labelledby": "settings-heading" },
      h("div.section-head", h("h2", { id: "settings-heading" }, "Settings ", h("span.muted.small", "being edited"))), this.form.element));
    this.form.focus();
  }

  leaveForm() {
    this.form = null;
    this.drawSettings();
    this.settings.querySelector('[data-act="edit"]')?.focus();
  }

  saved(hook, names) {
    this.form = null;
    this.parts.delete("settings");
    this.changed(hook);
    this.settings.querySelector('[data-act="edit"]')?.focus();
    this.say(`Saved: ${names.join(", ")}.`);
  }

  // --- acting ---

  /** Whoever shows names and numbers learns of it. */
  changed(hook) {
    this.take(hook);
    document.dispatchEvent(new Event("dlo-changed"));
    directory.refresh();
  }

  say(text) {
    fill(this.outcome, h("div.notice.good", icon("check"), h("div", text)));
  }

  async act(button, run) {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    fill(this.outcome);
    try {
      const done = await run();
      if (done?.hook) this.changed(done.hook);
      if (done?.says) this.say(done.says);
      await this.poller.now();
    } catch (problem) {
      fill(this.outcome, failure(problem));
      this.poller.now();
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  sendPing() {
    return this.ping.send();
  }

  async disable() {
    return await acts.askDisable(this.name) ? acts.enable(this.hook, false) : null;
  }

  async rotate() {
    const rotated = await rotate(this.hook, this.name, (hook) => this.changed(hook));
    return rotated ? { says: this.hook.oldSecretValidUntil ? "Rotated: both secrets sign until the old one ends." : "Rotated: the new secret alone signs." } : null;
  }
}
