/**
 * One attempt in detail: response, request, timing as tabs. Everything a receiver said is shown as text, nothing of it
 * is interpreted, and the tab that was open stays open from attempt to attempt.
 */
import { h, fill, uniqueId } from "../dom.js";
import * as format from "../format.js";
import * as reasons from "../reasons.js";
import { textBlock, visible } from "../text_block.js";
import { what } from "./timeline.js";
import * as timing from "./timing.js";

/** @type {[string, string, (attempt: any) => any][]} */
const tabs = [["response", "Response", response], ["request", "Request", request], ["timing", "Timing", times]];

export class AttemptDetail {
  constructor() {
    this.open = "response";
    this.attempt = null;
    this.heading = h("h2");
    this.panel = h("div.tab-panel", { role: "tabpanel", id: uniqueId("panel"), tabindex: "0" });
    this.buttons = tabs.map(([name, label]) => h("button", {
      type: "button", role: "tab", id: uniqueId("tab"), "data-tab": name, "aria-controls": this.panel.id, onclick: () => this.choose(name),
    }, label));
    const list = h("div.tabs", { role: "tablist", "aria-label": "Attempt", onkeydown: (event) => this.key(event) }, this.buttons);
    this.element = h("div.attempt-detail", h("div.section-head", this.heading), list, this.panel);
  }

  /** @param {any} attempt */
  show(attempt) {
    this.attempt = attempt;
    fill(this.heading, `Attempt ${attempt.n} `, h("span.muted.small", format.full(attempt.at)));
    this.draw();
  }

  choose(name) {
    this.open = name;
    this.draw();
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex(([name]) => name === this.open);
    const next = (at + step + tabs.length) % tabs.length;
    this.choose(tabs[next][0]);
    this.buttons[next].focus();
  }

  draw() {
    for (const button of this.buttons) {
      const selected = button.dataset.tab === this.open;
      button.setAttribute("aria-selected", String(selected));
      button.tabIndex = selected ? 0 : -1;
      if (selected) this.panel.setAttribute("aria-labelledby", button.id);
    }
    const [, , build] = tabs.find(([name]) => name === this.open) ?? tabs[0];
    fill(this.panel, build(this.attempt));
  }
}

function response(attempt) {
  const { headers, body, encoding, bodyTruncated } = attempt.response;
  return [
    h("p.line-of-result", h("span.code", what(attempt)), h("span.muted", explanation(attempt))),
    attempt.statusCode ? pairs("Headers", headers) : h("p.muted", "No answer arrived, so there are no headers and no body."),
    body !== null && body !== "" && textBlock("Body", body, { base64: encoding === "base64", note: notes(encoding, bodyTruncated) }),
    attempt.statusCode && (body === null || body === "") && h("p.muted", "The answer had no body."),
  ];
}

/** What the big word beside it does not say. */
function explanation(attempt) {
  const error = attempt.error ?? "";
  return error && error !== what(attempt) ? visible(error) : reasons.reasonSentence(attempt.failureReason);
}

function notes(encoding, truncated) {
  return [encoding === "base64" ? "not text: shown as base64" : "", truncated ? "cut off" : ""].filter(Boolean).join(", ");
}

function request(attempt) {
  const { url, headers, bodySha256 } = attempt.request;
  return [
    h("p.line-of-result", h("span.code", "POST"), h("code.mono", visible(url ?? ""))),
    pairs("Headers", headers),
    h("p.muted.small", "The body's SHA-256 was ", h("code.mono", bodySha256 ?? "unknown"), "."),
    h("p.muted.small", "The webhook's own headers are secret and are not kept."),
  ];
}

function times(attempt) {
  return [timing.table(attempt), h("p.muted.small", "Remote address ", h("code", attempt.remoteAddress ?? "none: no connection was made"))];
}

function pairs(title, headers) {
  const lines = Object.entries(headers ?? {});
  if (lines.length === 0) return h("p.muted", `No ${title.toLowerCase()}.`);
  return h("table.pairs", h("caption", title), h("tbody", lines.map(([name, value]) =>
    h("tr", h("th", { scope: "row" }, visible(name)), h("td", visible(String(value)))))));
}
