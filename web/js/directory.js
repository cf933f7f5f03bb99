/**
 * The webhooks of the project by id, for names in lists and filters. Read once, again when an unknown id turns up or
 * somebody changed one; at most a thousand, beyond that ids are shown.
 */
import * as api from "./api.js";

const PAGES_MAX = 5;
const AGAIN_MS = 30_000;

/** @type {Map<string, any>} */
let hooks = new Map();
let readAt = 0;
/** @type {Promise<void>|null} */
let reading = null;

async function readAll() {
  const found = new Map();
  let cursor = "";
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await api.get(`/v1/webhooks${api.query({ limit: 200, cursor })}`);
    for (const hook of answer.data) found.set(hook.id, hook);
    cursor = answer.nextCursor ?? "";
    if (!cursor) break;
  }
  hooks = found;
  readAt = Date.now();
}

/** Reads them if that was never done. A failure leaves the names away: ids are shown instead. */
export async function load() {
  if (readAt) return;
  await refresh();
}

export async function refresh() {
  reading ??= readAll().catch(() => { readAt ||= Date.now(); }).finally(() => { reading = null; });
  await reading;
}

export function forget() {
  hooks = new Map();
  readAt = 0;
}

/** @param {string[]} ids */
export async function ensure(ids) {
  if (ids.every((id) => hooks.has(id)) || (readAt && Date.now() - readAt < AGAIN_MS)) return;
  await refresh();
}

export const all = () => [...hooks.values()];
/** @param {string} id @returns {any} undefined if it is not known, or deleted */
export const find = (id) => hooks.get(id);

/** What a person calls it. @param {string} id @param {string} [url] */
export function nameOf(id, url) {
  const hook = hooks.get(id);
  return hook?.name || shortUrl(hook?.url ?? url) || id;
}

/** @param {string|undefined} url */
export function shortUrl(url) {
  return (url ?? "").replace(/^https?:\/\//, "");
}
