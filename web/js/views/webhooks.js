/**
 * The webhooks: who receives, how that goes, and the three things that help at night: pause, resume, retry now. Health
 * is asked for each webhook, a few at a time, so that a long list does not keep the server busy.
 */
import * as api from "../api.js";
import { announce, toast } from "../announce.js";
import * as badge from "../badge.js";
import * as directory from "../directory.js";
import { h, fill, icon } from "../dom.js";
import * as format from "../format.js";
import { empty, failure } from "../notice.js";
import { Poller } from "../poller.js";
import * as reasons from "../reasons.js";
import * as router from "../router.js";
import * as session from "../session.js";
import { circuitLine } from "../webhook/circuit.js";
import { heldBy, percent } from "../webhook/figures.js";

const PAGE = 25;
const EVERY_MS = 10_000;
const AT_ONCE = 2;
const FAILING = 0.5;
const columns = [["name", "Webhook"], ["status", "Status"], ["count num", "Dead letters"], ["count num", "Waiting"], ["count num", "Held"], ["health", "Last 24 h"], ["do", ""]];

export class WebhooksView {
  constructor() {
    this.title = "Webhooks";
    this.count = h("span.count");
    this.body = h("tbody");
    this.rows = new Map();
    this.cursor = "";
    this.table = h("table.list-table.hooks-table", h("caption.visually-hidden", "Webhooks, newest first"),
      h("thead", h("tr", columns.map(([name, label]) => h("th", { scope: "col", class: `col-${name}` }, label || h("span.visually-hidden", "Actions"))))), this.body);
    this.notice = h("div");
    this.foot = h("div.list-foot", { hidden: true });
    this.element = h("section.view", h("div.view-head", h("h1", "Webhooks"), this.count), h("div.panel", this.notice, this.table, this.foot));
    this.poller = new Poller((signal) => this.refresh(signal), () => EVERY_MS);
    this.keys = { j: () => this.move(1), k: () => this.move(-1) };
  }

  async start() {
    fill(this.count, "Loading…");
    try {
      await this.page();
    } catch (problem) {
      fill(this.count);
      fill(this.notice, failure(problem, () => { fill(this.notice); this.start(); }));
      return;
    }
    if (this.rows.size === 0) {
      this.table.hidden = true;
      fill(this.notice, empty("No webhooks yet.", h("p", "Create one with ", h("code", "POST /v1/webhooks"), ".")));
    }
    this.poller.now();
  }

  stop() {
    this.poller.stop();
  }

  async page() {
    const answer = await api.get(`/v1/webhooks${api.query({ limit: PAGE, cursor: this.cursor })}`);
    this.cursor = answer.nextCursor ?? "";
    for (const hook of answer.data) this.add(hook);
    this.drawCount();
    this.foot.hidden = !this.cursor;
    fill(this.foot, h("button", { type: "button", onclick: () => this.more() }, "Load more"));
  }

  drawCount() {
    const open = [...this.rows.values()].filter(({ health }) => health && health.circuit.state !== "closed").length;
    fill(this.count, `${format.number(this.rows.size)}${this.cursor ? " shown" : ""}`, open > 0 && h("span.tone-warn", ` · ${format.plural(open, "circuit")} open`));
  }

  async more() {
    try {
      await this.page();
      this.poller.now();
    } catch (problem) {
      toast(problem.message);
    }
  }

  async refresh(signal) {
    const queue = [...this.rows.values()];
    const worker = async () => {
      for (let row = queue.shift(); row; row = queue.shift()) await row.refresh(signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    this.drawCount();
  }

  add(hook) {
    const row = new WebhookRow(hook);
    this.rows.set(hook.id, row);
    this.body.append(row.element);
  }

  move(step) {
    const links = [...this.rows.values()].map((row) => row.element.querySelector(".row-link")).filter(Boolean);
    const at = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
  }
}

class WebhookRow {
  constructor(hook) {
    this.hook = hook;
    /** @type {any} */
    this.health = null;
    this.element = h("tr", { "data-id": hook.id });
    this.drawn = "";
    this.draw();
  }

  async refresh(signal) {
    try {
      this.health = await api.get(`/v1/webhooks/${this.hook.id}/health`, { signal });
      Object.assign(this.hook, { paused: this.health.paused, enabled: this.health.enabled, disabledReason: this.health.disabledReason });
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      this.element.remove();
      return;
    }
    this.draw();
  }

  /** Only if it says something else, so that a focused button stays the same button. */
  draw() {
    const now = JSON.stringify([this.hook.paused, this.hook.enabled, this.hook.disabledReason, this.health]);
    if (now === this.drawn) return;
    this.drawn = now;
    const own = document.activeElement?.closest("tr") === this.element ? document.activeElement : null;
    const act = own?.getAttribute("data-act");
    const link = own?.matches(".row-link");
    fill(this.element, this.cells());
    if (link) /** @type {HTMLElement|null} */ (this.element.querySelector(".row-link"))?.focus();
    if (act) (this.element.querySelector(`[data-act="${act}"]:not(:disabled)`) ?? this.element.querySelector("button:not(:disabled)"))?.focus();
  }

  cells() {
    const { hook, health } = this;
    const url = directory.shortUrl(hook.url);
    const count = (label, n, more) => h("td.col-count.num", { "data-label": label }, n === undefined ? "…" : format.number(n) + (more ? "+" : ""));
    return [
      h("td.col-name", h("a.row-link.clip", { href: router.link("webhooks", hook.id), title: hook.name ?? url }, hook.name || url), hook.name && h("span.sub.clip", { title: hook.url }, url)),
      h("td.col-status", this.status()),
      h("td.col-count.num", { "data-label": "Dead letters" }, this.deadLetters()),
      count("Waiting", health?.waiting, health?.waitingRelation === "gte"),
      h("td.col-count.num", { "data-label": "Held" }, this.held()),
      h("td.col-health", this.success()),
      h("td.col-do", h("div.actions", this.buttons())),
    ];
  }

  held() {
    const n = this.health?.held;
    if (n === undefined) return "…";
    const href = router.link("deliveries", "", { webhookId: this.hook.id, held: "true" });
    return n === 0 ? "0" : h("a", { href, title: `Held because ${reasons.holdSentence(heldBy(this.health))}` }, format.number(n));
  }

  deadLetters() {
    const n = this.health?.openDeadLetters;
    if (n === undefined) return "…";
    return n === 0 ? "0" : h("a", { href: router.link("entries", "", { webhookId: this.hook.id }) }, format.number(n));
  }

  status() {
    const { hook, health } = this;
    const why = () => {
      if (!hook.enabled) return hook.disabledReason ?? "by its settings";
      if (hook.paused) return "held until resumed";
      if (health && health.circuit.state !== "closed") return circuitLine(health.circuit);
      return health?.requests && health.successRate < FAILING && "enabled, but most is refused";
    };
    const more = why();
    return [badge.webhook(hook, health), more && h("span.sub", more)];
  }

  success() {
    const { health } = this;
    if (!health) return "…";
    if (health.successRate === null) return h("span.muted", "no requests");
    return [h("span.strong", { class: health.successRate < FAILING && "tone-bad" }, percent(health.successRate)), ` of ${format.plural(health.requests, "request")}`,
      h("span.sub", `p50 ${format.latency(health.p50Ms)} · p95 ${format.latency(health.p95Ms)}`)];
  }

  buttons() {
    const { hook, health } = this;
    const may = session.may("webhooks:write");
    const name = hook.name || hook.url;
    const button = (act, label, sign, not, done) => h("button.tiny", {
      type: "button", "data-act": act, disabled: not !== "", title: not || null, "aria-label": `${label}: ${name}`, onclick: () => this.act(act, done),
    }, icon(sign), label);
    const denied = may ? "" : "Your membership does not include changing webhooks (webhooks:write).";
    return [
      hook.paused ? button("resume", "Resume", "play", denied, "Resumed.") : button("pause", "Pause", "pause", denied, "Paused. Deliveries are held."),
      button("retry-now", "Retry now", "replay", denied || (health?.waiting || (health && health.circuit.state !== "closed") ? "" : "Nothing waits for this webhook."), ""),
    ];
  }

  async act(act, done) {
    try {
      const answer = await api.post(`/v1/webhooks/${this.hook.id}/${act}`);
      const text = done || `${format.plural(answer.moved ?? 0, "delivery", "deliveries")} will be sent now.`;
      if (done) announce(text);
      else toast(text);
      await this.refresh();
      await directory.refresh();
    } catch (problem) {
      toast(problem.message);
    }
  }
}
