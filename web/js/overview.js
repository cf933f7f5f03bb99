/**
 * The strip on top of every view: verdict, six numbers, the most frequent causes. Owns the poll of /v1/overview, and
 * tells others when the numbers changed.
 */
import * as api from "./api.js";
import * as clock from "./clock.js";
import * as directory from "./directory.js";
import * as badge from "./badge.js";
import { h, fill, icon, say } from "./dom.js";
import * as format from "./format.js";
import { Poller } from "./poller.js";
import * as preferences from "./preferences.js";
import * as reasons from "./reasons.js";
import * as router from "./router.js";
import * as session from "./session.js";
import * as verdict from "./verdict.js";

const EVERY_MS = 5000;

/** [name, label, what it says: value, unit, note, tone] @type {[string, string, (overview: any) => any[]][]} */
const numbers = [
  ["entering", "Entering now", entering],
  ["open", "Open", (o) => [format.number(o.open), "", o.lastEntryAt ? ["last ", clock.ago(o.lastEntryAt)] : "none yet", ""]],
  ["affected", "Webhooks affected", (o) => [format.number(o.webhooksAffected), `of ${format.number(o.webhooksTotal)}`, verdict.side(o), ""]],
  ["expiring", "Expire within 24 h", expiring],
  ["waiting", "Waiting to be sent", waiting],
  ["worker", "Worker", worker],
];

function entering(o) {
  const up = o.enteringPerMinute > Math.max(1, 3 * o.usualPerMinute);
  return [format.number(o.enteringPerMinute), "/ min", `${up ? "↑ " : ""}usual ${format.rate(o.usualPerMinute)}`, up ? "bad" : ""];
}

function expiring(o) {
  if (!o.expiring.count) return ["0", "", "nothing is about to be lost", ""];
  return [format.number(o.expiring.count), "", ["first ", clock.until(o.expiring.firstAt)], "warn"];
}

function waiting(o) {
  const { due, later, held, relation } = o.waiting;
  const more = relation === "gte" ? "+" : "";
  const link = held ? h("a", { href: router.link("deliveries", "", { held: "true" }) }, `${format.number(held)}${more} held`) : "0 held";
  const open = o.circuits ? [" · ", h("span.tone-warn", `${format.plural(o.circuits, "circuit")} open`)] : "";
  return [format.number(due) + more, "due", [`${format.number(later)}${more} later · `, link, open], ""];
}

function worker(o) {
  const age = o.workerHeartbeatAgeSeconds;
  if (age === null) return ["Never seen", "", "nothing is being sent", "bad"];
  const late = age > verdict.WORKER_LATE_S;
  return [late ? "Gone" : "Running", "", `heartbeat ${format.ago(age * 1000)}`, late ? "bad" : "good"];
}

export class Overview {
  constructor() {
    this.verdict = h("div.verdict", { "aria-live": "polite", id: "verdict" });
    this.numbers = h("dl.numbers");
    this.causes = h("details.causes", { hidden: true });
    this.element = h("section.overview.panel", { "aria-label": "Overview" }, this.verdict, this.numbers, this.causes);
    /** @type {any} */
    this.last = null;
    this.lastAt = 0;
    this.judged = "";
    this.causes.open = preferences.get("causes", innerWidth > 640 ? "open" : "closed") === "open";
    this.causes.addEventListener("toggle", () => preferences.set("causes", this.causes.open ? "open" : "closed"));
    this.refresh = () => this.poller.now();
    document.addEventListener("dlo-changed", this.refresh);
    this.poller = new Poller((signal) => this.ask(signal), () => EVERY_MS, (problem) => this.fail(problem));
  }

  start() {
    this.show({ tone: "", icon: "clock", title: "Looking…", why: "" });
    return this.poller.now();
  }

  /** @param {boolean} yes without the causes, for views of something else */
  compact(yes) {
    this.element.classList.toggle("is-compact", yes);
  }

  stop() {
    document.removeEventListener("dlo-changed", this.refresh);
    this.poller.stop();
  }

  async ask(signal) {
    const overview = await api.get("/v1/overview", { signal });
    clock.sync(overview.countedAt);
    await directory.ensure(overview.topGroups.map((g) => g.webhookId));
    overview.circuits = await this.circuits(overview, signal);
    this.last = overview;
    this.lastAt = Date.now();
    this.draw(overview);
  }

  /**
   * How many webhooks have deliveries held by an open circuit, as far as the newest that are held tell; asked for only if
   * some are. A failure leaves the number away: what the overview itself says is worth more.
   */
  async circuits(overview, signal) {
    if (!overview.waiting.held || !session.may("events:read")) return 0;
    const { data } = await api.get("/v1/deliveries?held=true&limit=200", { signal }).catch(() => ({ data: [] }));
    return new Set(data.filter((d) => d.heldBecause === "circuit").map((d) => d.webhookId)).size;
  }

  draw(overview) {
    this.show(verdict.judge(overview, clock.now()));
    const held = this.numbers.contains(document.activeElement);
    fill(this.numbers, numbers.map(([name, label, read]) => this.number(name, label, read(overview))));
    if (held) this.numbers.querySelector("a")?.focus();
    this.drawCauses(overview.topGroups);
  }

  /** @param {string} name @param {string} label @param {any[]} says */
  number(name, label, says) {
    const [value, unit, note, tone] = says;
    return h("div.number", { "data-number": name }, h("dt", label),
      h("dd", h("span.value", { class: tone && `tone-${tone}` }, value), unit && h("span.unit", ` ${unit}`), h("div.note", note)));
  }

  /** Rewritten only when it says something else, so that a screen reader hears news and no repetition. */
  show({ tone, icon: sign, title, why }, again) {
    this.verdict.className = `verdict ${tone}`;
    if (this.judged !== `${tone}${title}`) {
      this.judged = `${tone}${title}`;
      this.why = h("span.why", { "aria-live": "off" });
      fill(this.verdict, icon(sign), h("div", h("strong", title), this.why),
        again && h("button.tiny", { type: "button", onclick: again }, "Try again"));
    }
    say(this.why, why);
  }

  /** What stands below is old: say so instead of looking healthy. */
  fail(problem) {
    const age = this.last ? ` What is shown is ${format.duration(Date.now() - this.lastAt)} old.` : "";
    const request = problem.requestId ? ` Request ${problem.requestId}.` : "";
    this.show({ tone: "bad", icon: "alert", title: "The state is unknown.", why: `${problem.message}${age}${request}` }, () => this.poller.now());
    for (const number of this.numbers.children) number.classList.add("is-stale");
  }

  drawCauses(groups) {
    this.causes.hidden = groups.length === 0;
    const most = Math.max(1, ...groups.map((g) => g.count));
    const focused = /** @type {HTMLElement|null} */ (this.causes.contains(document.activeElement) ? document.activeElement : null);
    const held = focused?.getAttribute("href");
    fill(this.causes, h("summary", `Most frequent causes (${groups.length})`), h("ol", groups.map((g) => h("li", cause(g, most)))));
    if (held) /** @type {HTMLElement|null} */ (this.causes.querySelector(`a[href="${CSS.escape(held)}"]`))?.focus();
    else if (focused) this.causes.querySelector("summary")?.focus();
  }
}

function cause(group, most) {
  const name = directory.nameOf(group.webhookId);
  return h("a.cause", { href: router.link("entries", "", { fingerprint: group.fingerprint }), title: `Show the ${format.plural(group.count, "entry", "entries")} with this cause` },
    h("span.tally", format.number(group.count), h("span.bar", { vars: { "--share": group.count / most } })),
    h("span", badge.reason(group.failureReason, group.lastStatusCode)),
    h("span.strong.clip", { title: name }, name),
    h("span.template.clip.muted", group.lastError || reasons.reasonSentence(group.failureReason)),
    h("span.when", "last ", clock.ago(group.lastSeenAt), " · first ", clock.ago(group.firstSeenAt)));
}
