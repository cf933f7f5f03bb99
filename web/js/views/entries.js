/**
 * The list of dead letters: newest first, filtered by the address, refreshed without moving what somebody is about to
 * click. Coming back from an entry finds it as it was left.
 */
import { announce, toast } from "../announce.js";
import * as decide from "../decide.js";
import * as directory from "../directory.js";
import { h, fill, icon } from "../dom.js";
import { EntriesTable } from "../entries_table.js";
import { EntryPages } from "../entry_pages.js";
import { FilterBar } from "../filter_bar.js";
import * as filters from "../filters.js";
import * as format from "../format.js";
import { empty, failure } from "../notice.js";
import { Poller } from "../poller.js";
import * as reasons from "../reasons.js";
import { watch } from "../redrive_watch.js";
import * as router from "../router.js";
import * as session from "../session.js";

const EVERY_MS = 5000;
const KEPT_MS = 10 * 60_000;

/** The list as it was left, for whoever comes back. @type {{project: string, key: string, pages: EntryPages, current: string, scroll: number, at: number}|null} */
let left = null;

export class EntriesView {
  /** @param {router.Route} route */
  constructor(route) {
    this.title = "Dead letters";
    this.table = new EntriesTable();
    this.bar = new FilterBar((wanted) => this.go(wanted), (id) => router.go(router.link("entries", id)));
    this.count = h("span.count");
    this.tabs = h("nav.tabs", { "aria-label": "State" });
    this.pill = h("button.pill", { type: "button", hidden: true, onclick: () => this.reload() });
    this.notice = h("div");
    this.under = h("div");
    this.foot = h("div.list-foot");
    this.element = h("section.view",
      this.pill,
      h("div.panel", h("div.list-head", h("h1", "Dead letters"), this.count, this.tabs), this.bar.element, this.notice, this.table.element, this.under, this.foot));
    /** @type {Set<() => void>} */
    this.watches = new Set();
    this.run = 0;
    this.poller = new Poller((signal) => this.peek(signal), () => EVERY_MS);
    this.keys = {
      "/": () => this.bar.search.focus(), j: () => this.table.move(1), k: () => this.table.move(-1),
      r: () => this.replay(), d: () => this.discard(),
    };
    this.resumed = this.resume(filters.read(route.query));
  }

  /** Takes the list as it was left, if this is the same one. */
  resume(wanted) {
    this.filters = wanted;
    this.pages = new EntryPages(wanted);
    const same = left && left.key === filters.key(wanted) && left.project === (session.currentProject()?.id ?? "") && Date.now() - left.at < KEPT_MS;
    if (!same || !left) return false;
    this.pages = left.pages;
    return true;
  }

  async start() {
    await directory.load();
    this.drawFilters();
    if (this.resumed) this.comeBack();
    else await this.load();
    this.poller.later();
  }

  comeBack() {
    this.draw();
    const { current, scroll } = /** @type {any} */ (left);
    scrollTo(0, scroll);
    this.table.focus(current);
    this.poller.now();
  }

  stop() {
    this.poller.stop();
    for (const stop of this.watches) stop();
    if (!this.pages.loaded) return;
    left = { project: session.currentProject()?.id ?? "", key: filters.key(this.filters), pages: this.pages, current: this.table.current, scroll: scrollY, at: Date.now() };
  }

  /** @param {router.Route} route */
  follow(route) {
    if (route.name !== "entries" || route.id) return false;
    const wanted = filters.read(route.query);
    if (filters.key(wanted) === filters.key(this.filters) && this.pages.loaded) return true;
    this.filters = wanted;
    this.pages = new EntryPages(wanted);
    this.drawFilters();
    this.load();
    return true;
  }

  go(wanted) {
    const hash = router.link("entries", "", filters.write(wanted));
    if (hash === location.hash) this.reload();
    else router.go(hash);
  }

  async load() {
    const run = ++this.run;
    this.table.skeleton();
    this.pill.hidden = true;
    fill(this.notice);
    fill(this.under);
    fill(this.foot);
    this.table.element.hidden = false;
    this.table.element.setAttribute("aria-busy", "true");
    fill(this.count, "Loading…");
    try {
      await this.pages.load();
      if (run === this.run) this.draw();
      if (run === this.run) announce(`${this.countText()}.`);
    } catch (problem) {
      if (run === this.run) this.fail(problem);
    }
  }

  fail(problem) {
    fill(this.count);
    fill(this.notice, failure(problem, () => this.load()));
    this.table.show([]);
    this.table.element.hidden = true;
  }

  /** With what is new, by somebody's wish. */
  async reload() {
    const known = new Set(this.pages.rows.map((row) => row.id));
    const focused = this.table.current;
    try {
      await this.pages.load();
      this.draw(known);
      if (!this.table.focus(focused)) this.table.focus(this.pages.rows[0]?.id);
      announce(`${this.countText()}.`);
    } catch (problem) {
      toast(problem.message);
    }
  }

  async peek(signal) {
    const pages = this.pages;
    if (!pages.loaded) return;
    const news = await pages.peek(signal);
    if (!news || pages !== this.pages) return;
    for (const entry of news.changed) this.table.update(entry);
    for (const id of news.gone) if (this.isOthers(id)) this.table.leave(id);
    if (pages.rows.length === 0 && pages.fresh) await this.reload();
    this.drawCounts();
  }

  /** Whether a row that left the list was decided by somebody else: what this page did it shows itself. */
  isOthers(id) {
    return this.matches(this.pages.rows.find((row) => row.id === id));
  }

  matches(entry) {
    return this.filters.state === "all" || this.filters.state.split(",").includes(entry?.state);
  }

  // --- drawing ---

  drawFilters() {
    this.bar.show(this.filters);
    const tabs = [...reasons.stateNames.map((name) => [name, reasons.state(name).label]), ["all", "All"]];
    fill(this.tabs, tabs.map(([name, label]) => h("a", {
      href: router.link("entries", "", filters.write({ ...this.filters, state: name })), "aria-current": this.filters.state === name && "page",
    }, label)));
  }

  draw(known) {
    this.table.show(this.pages.rows, known);
    this.table.element.removeAttribute("aria-busy");
    this.table.element.hidden = this.pages.rows.length === 0;
    fill(this.under, this.pages.rows.length === 0 && this.nothing());
    this.bar.suggestTypes(this.pages.rows.map((row) => row.eventType).filter(Boolean));
    directory.ensure(this.pages.rows.map((row) => row.webhookId)).then(() => this.bar.fillWebhooks(this.filters.webhookId ?? ""));
    this.drawCounts();
  }

  drawCounts() {
    fill(this.count, this.countText());
    this.pill.hidden = this.pages.fresh === 0;
    fill(this.pill, icon("down"), `${format.number(this.pages.fresh)}${this.pages.fresh === 50 ? " or more" : ""} new: show`);
    this.drawFoot();
  }

  countText() {
    const { total, relation } = this.pages;
    const noun = this.filters.state === "all" || this.filters.state.includes(",") ? "" : ` ${reasons.state(this.filters.state).label.toLowerCase()}`;
    const narrowed = filters.active(this.filters).length ? ", filtered" : "";
    return `${relation === "gte" ? "more than " : ""}${format.number(total)}${noun}${narrowed}`;
  }

  drawFoot() {
    const { rows, total } = this.pages;
    const more = h("button", { type: "button", onclick: () => this.more(more) }, "Load more");
    fill(this.foot, rows.length > 0 && h("span", `${format.number(rows.length)} of ${format.number(Math.max(total, rows.length))} shown`),
      this.pages.canGrow && more, this.pages.full && h("span", "Narrow the filters to see older ones."));
    this.foot.hidden = rows.length === 0;
  }

  nothing() {
    if (filters.active(this.filters).length) {
      return empty("Nothing matches these filters.", h("p", "Other states may have some."),
        h("div.actions", h("button", { type: "button", onclick: () => this.bar.changed({ state: this.filters.state }) }, "Clear the filters"),
          this.filters.state !== "all" && h("button", { type: "button", onclick: () => this.go({ ...this.filters, state: "all" }) }, "Search in every state")));
    }
    if (this.filters.state === "open") return empty("No open dead letters.", h("p", "Whatever could be delivered was. The overview above says how fresh that is."));
    return empty(`Nothing here: no dead letter is ${reasons.state(this.filters.state).label.toLowerCase()}.`);
  }

  // --- acting ---

  async more(button) {
    button.disabled = true;
    try {
      const added = await this.pages.more();
      this.table.add(added);
      this.drawCounts();
      this.table.focus(added[0]?.id);
    } catch (problem) {
      button.disabled = false;
      toast(problem.message);
    }
  }

  chosen() {
    const entry = this.pages.rows.find((row) => row.id === this.table.current);
    if (!entry) announce("Choose a row first, with j and k.");
    return entry;
  }

  put(entry) {
    this.pages.put(entry);
    this.table.update(entry);
  }

  async replay() {
    const entry = this.chosen();
    if (!entry) return;
    const not = decide.whyNotReplay(entry);
    if (not) toast(not);
    else {
      const mode = await decide.askReplay(entry);
      if (mode) await this.attempt(() => this.replayNow(entry, mode));
    }
  }

  async replayNow(entry, mode) {
    await decide.replay(entry, mode);
    this.put({ ...entry, state: "replaying", replayable: false, notReplayableReason: "already-replaying" });
    const stop = watch(entry.id, (seen) => {
      this.put(seen);
      if (seen.state === "replaying") return;
      this.watches.delete(stop);
      toast(`${seen.eventType ?? "The dead letter"} ${reasons.state(seen.state).means}.`, { label: "Open", run: () => router.go(router.link("entries", seen.id)) });
    });
    this.watches.add(stop);
  }

  async discard() {
    const entry = this.chosen();
    if (!entry) return;
    const not = decide.whyNotDiscard(entry);
    if (not) {
      toast(not);
      return;
    }
    const reason = await decide.askDiscard(entry);
    if (reason) await this.attempt(() => decide.discard(entry, reason, (now) => this.put(now)));
  }

  async attempt(act) {
    try {
      await act();
    } catch (problem) {
      toast(problem.message);
    }
  }
}
