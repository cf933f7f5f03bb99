/**
 * Text that somebody else wrote: shown as it is, whatever is in it, at most 64 KiB at once, with a way to copy it, and
 * laid out when it is JSON.
 */
import { announce } from "./announce.js";
import { h, fill, icon, uniqueId } from "./dom.js";
import * as format from "./format.js";
import * as json from "./json_text.js";
import * as router from "./router.js";

const AT_ONCE = 65_536;

/** Characters that turn the reading direction or cannot be seen become visible. @param {string} text */
export function visible(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, (c) => (c === "\u007f" ? "␡" : String.fromCharCode(0x2400 + c.charCodeAt(0))))
    .replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** Text in which the ids of deliveries lead to them. @param {string} text @returns {any[]} */
export function linked(text) {
  return visible(text).split(/(dlv_[0-9a-z]{26})/).map((part, i) => (i % 2 ? h("a.mono", { href: router.link("deliveries", part) }, part) : part));
}

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied.");
    return true;
  } catch {
    announce("The browser does not allow copying here.");
    return false;
  }
}

/** A button that copies and says so. @param {string} text @param {string} what */
export function copyButton(text, what) {
  const button = h("button.plain", { type: "button", title: `Copy ${what}`, "aria-label": `Copy ${what}` }, icon("copy"));
  button.addEventListener("click", async () => {
    if (!await copy(text)) return;
    fill(button, icon("check"));
    setTimeout(() => fill(button, icon("copy")), 1500);
  });
  return button;
}

/**
 * @param {string} title @param {string} text
 * @param {{base64?: boolean, note?: string, tools?: any[], plain?: string}} [options] plain: what showing it not laid out is called
 */
export function textBlock(title, text, options = {}) {
  const heading = uniqueId("text");
  const block = h("pre.text-block", { tabindex: "0", role: "region", "aria-labelledby": heading });
  const canLayOut = !options.base64 && text.length <= AT_ONCE && json.isJson(text);
  let shown = AT_ONCE;
  const more = h("button.tiny", { type: "button", onclick: () => { shown += AT_ONCE; draw(false); } });
  const toggle = h("button.tiny", { type: "button", "aria-pressed": "true", onclick: () => draw(toggle.getAttribute("aria-pressed") === "false") }, "Laid out");
  function draw(laidOut) {
    toggle.setAttribute("aria-pressed", String(laidOut));
    toggle.textContent = laidOut ? options.plain ?? "Show as sent" : "Lay out";
    if (laidOut) fill(block, json.pretty(visible(text)));
    else fill(block, visible(text.slice(0, shown)));
    more.hidden = laidOut || text.length <= shown;
    more.textContent = `Show more (${format.number(Math.max(text.length - shown, 0))} characters left)`;
  }
  draw(canLayOut);
  return h("div", h("div.text-head", h("h3", { id: heading }, title, options.note && h("span.muted.small", ` ${options.note}`)),
    h("div.actions", canLayOut && toggle, copyButton(text, title.toLowerCase()), options.tools)), block, more);
}
