/** The chain of an entry: the original, its replays, and what each came to. Read when an entry is part of one. */
import * as api from "../api.js";
import * as badge from "../badge.js";
import { h } from "../dom.js";
import * as router from "../router.js";

const LINKS_MAX = 12;

const delivery = (id) => api.get(`/v1/deliveries/${id}`);

/** Older entries, oldest first. What has expired ends the search. */
async function before(entry) {
  const found = [];
  for (let at = entry; at.generation > 0 && found.length < LINKS_MAX;) {
    const { replayOf } = await delivery(at.deliveryId);
    if (!replayOf) break;
    at = await api.get(`/v1/dlq/${replayOf}`);
    found.unshift(at);
  }
  return found;
}

async function after(entry) {
  const found = [];
  for (let at = entry; at.replayedAs && found.length < LINKS_MAX;) {
    const { entryId } = await delivery(at.replayedAs);
    if (!entryId) break;
    at = await api.get(`/v1/dlq/${entryId}`);
    found.push(at);
  }
  return found;
}

const none = () => [];

/** @param {any} entry @returns {Promise<HTMLElement|null>} null: it stands alone */
export async function chain(entry) {
  const [older, newer] = await Promise.all([before(entry).catch(none), after(entry).catch(none)]);
  const all = [...older, entry, ...newer];
  if (all.length < 2) return null;
  return h("ol.chain", { "aria-label": "Chain of replays" }, all.map((one) => h("li", one.id === entry.id
    ? h("strong", { "aria-current": "true" }, label(one)) : h("a", { href: router.link("entries", one.id) }, label(one)), badge.state(one.state))));
}

const label = (entry) => (entry.generation === 0 ? "Original" : `Replay ${entry.generation}`);
