/** The original message: payload as it was sent, with what the producer said beside it. Downloads are the exact bytes. */
import * as api from "../api.js";
import { toast } from "../announce.js";
import { h, icon } from "../dom.js";
import * as format from "../format.js";
import { copyButton, textBlock } from "../text_block.js";

/** @param {any} entry */
export function message(entry) {
  const original = entry.originalMessage;
  const source = entry.artifacts?.source;
  const size = source ? `${format.bytes(source.bytes)}, kept byte for byte` : "";
  return h("section.panel", { "aria-labelledby": "message-heading" },
    h("div.section-head", h("h2", { id: "message-heading" }, "Original message ", h("span.muted.small", size))),
    h("div.tab-panel", artifacts(entry), original ? [payload(entry, original), beside(original)] : h("p.muted", "The message is no longer kept.")));
}

function payload(entry, original) {
  if (original.payloadHidden) return h("div.notice.warn", icon("alert"), h("div", "Your membership does not include seeing payloads (dlq:payload)."));
  const base64 = original.encoding === "base64";
  const button = h("button.tiny", { type: "button", onclick: () => download(entry, button) }, icon("down"), "Download");
  return textBlock("Payload", original.payload ?? "", { base64, note: base64 ? "not text: shown as base64" : "", tools: [button] });
}

async function download(entry, button) {
  button.disabled = true;
  try {
    const url = URL.createObjectURL(await api.bytes(`/v1/dlq/${entry.id}/payload`));
    h("a", { href: url, download: `${entry.id}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (problem) {
    toast(problem.message);
  } finally {
    button.disabled = false;
  }
}

/** What came in and what went out, by size and sum. */
function artifacts({ artifacts: kept, attemptCount }) {
  if (!kept) return null;
  const { source, dispatch } = kept;
  const same = attemptCount > 0 ? "the same bytes: no transform changed them" : "nothing was sent";
  const row = (name, one, otherwise) => h("tr", h("th", { scope: "row" }, name), one?.available
    ? h("td", `${format.bytes(one.bytes)}, SHA-256 `, h("span.copy", h("span.mono", one.sha256), copyButton(one.sha256, `sum of what was ${name.toLowerCase()}`)))
    : h("td", otherwise));
  return h("table.pairs.artifacts", h("caption", "Artifacts"), h("tbody", row("Received", source, "no longer kept"), row("Sent", dispatch, same)));
}

function beside(original) {
  const lines = [...Object.entries(original.metadata ?? {}).map(([name, value]) => [`metadata.${name}`, value]),
    original.routingKey && ["routingKey", original.routingKey]].filter(Boolean);
  return lines.length > 0 && h("table.pairs", h("tbody", lines.map(([name, value]) => h("tr", h("th", { scope: "row" }, name), h("td", String(value))))));
}
