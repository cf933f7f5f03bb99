/**
 * The table of dead letters. Owns the row that is current (j, k, focus) and how a row looks; what is in it belongs to
 * EntryPages. A row is one link: everything else in it only makes the link larger.
 */
import * as badge from "./badge.js";
import * as clock from "./clock.js";
import * as directory from "./directory.js";
import { h, fill } from "./dom.js";
import * as format from "./format.js";
import * as reasons from "./reasons.js";
import * as router from "./router.js";
import { visible } from "./text_block.js";

const columns = [
  ["time", "Entered"], ["webhook", "Webhook"], ["type", "Event type"], ["reason", "Reason"], ["error", "Last error"],
  ["attempts", "Attempts"], ["state", "State"], ["expires", "Expires"],
];

export class EntriesTable {
  constructor() {
    this.body = h("tbody");
    /** @type {Map<string, HTMLTableRowElement>} */
    this.rows = new Map();
    this.current = "";
    this.element = h("table.list-table.entries-table",
      h("caption.visually-hidden", "Dead letters, newest first"),
      h("thead", h("tr", columns.map(([name, label]) => h("th", { scope: "col", class: `col-${name}${name === "attempts" ? " num" : ""}` }, label)))),
      this.body);
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("focusin", (event) => this.mark(event.target.closest("tr")?.dataset.id ?? ""));
  }

  /** @param {any[]} entries instead of what is there @param {Set<string>} [known] ids that are not new */
  show(entries, known) {
    this.rows.clear();
    fill(this.body);
    this.add(entries, known);
  }

  /** @param {any[]} entries below the others @param {Set<string>} [known] */
  add(entries, known) {
    for (const entry of entries) {
      const row = h("tr", { "data-id": entry.id, class: known && !known.has(entry.id) && "is-new" }, cells(entry));
      this.rows.set(entry.id, row);
      this.body.append(row);
    }
  }

  /** In its place, keeping the focus. @param {any} entry */
  update(entry) {
    const row = this.rows.get(entry.id);
    if (!row) return;
    const focused = row.contains(document.activeElement);
    row.classList.remove("is-gone");
    fill(row, cells(entry));
    if (focused) this.link(entry.id)?.focus();
  }

  /** Somebody else decided it: it stays where it is, until the list is loaded again. @param {string} id */
  leave(id) {
    const row = this.rows.get(id);
    if (!row || row.classList.contains("is-gone")) return;
    row.classList.add("is-gone");
    const cell = row.querySelector(".col-state");
    if (cell) fill(cell, h("span.badge.calm", { title: "It changed meanwhile and is no longer in this list." }, "Changed"));
  }

  /** @param {string} id */
  hasLeft(id) {
    return this.rows.get(id)?.classList.contains("is-gone") ?? false;
  }

  skeleton() {
    fill(this.body, [1, 2, 3, 4, 5, 6].map(() => h("tr.skeleton", { "aria-hidden": "true" }, columns.map(([name]) => h("td", { class: `col-${name}` })))));
  }

  /** @param {number} step 1 down, -1 up */
  move(step) {
    const ids = [...this.rows.keys()];
    const at = ids.indexOf(this.current);
    const next = at < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, at + step));
    this.focus(ids[next]);
  }

  /** @param {string|undefined} id */
  focus(id) {
    const link = id && this.link(id);
    if (!link) return false;
    link.focus();
    link.closest("tr")?.scrollIntoView({ block: "nearest" });
    return true;
  }

  link(id) {
    return /** @type {HTMLAnchorElement|null} */ (this.rows.get(id)?.querySelector(".row-link") ?? null);
  }

  mark(id) {
    this.rows.get(this.current)?.classList.remove("is-current");
    this.current = id;
    this.rows.get(id)?.classList.add("is-current");
  }

  click(event) {
    const id = event.target.closest("tr")?.dataset.id;
    if (!id || event.target.closest("a, button") || String(getSelection()) !== "") return;
    this.mark(id);
    router.go(router.link("entries", id));
  }
}

function cells(entry) {
  const url = directory.shortUrl(entry.destination?.url);
  const name = directory.nameOf(entry.webhookId, entry.destination?.url);
  const error = entry.lastError || reasons.reasonSentence(entry.failureReason);
  return [
    h("td.col-time", clock.ago(entry.createdAt), h("span.sub", format.stamp(entry.createdAt, clock.now()))),
    h("td.col-webhook", h("span.clip.strong", { title: name }, name), url && url !== name && h("span.sub.clip", { title: url }, url)),
    h("td.col-type", h("a.row-link", { href: router.link("entries", entry.id) }, entry.eventType ?? "(no type)"),
      entry.channel && h("span.sub.clip", { title: `Channel ${entry.channel}` }, entry.channel)),
    h("td.col-reason", badge.reason(entry.failureReason, entry.lastStatusCode)),
    h("td.col-error", h("span.error-text.muted", { title: visible(error) }, visible(error))),
    h("td.col-attempts.num", format.number(entry.attemptCount)),
    h("td.col-state", badge.state(entry.state), entry.generation > 0 && h("span.sub", `replay ${entry.generation}`)),
    h("td.col-expires", { "data-label": "expires" }, clock.until(entry.expiresAt)),
  ];
}
