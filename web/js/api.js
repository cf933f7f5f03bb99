/**
 * The API: one place that knows the cookie's companions (CSRF token, project) and turns failures into Problems.
 * Holds no data but the ETags of what is polled.
 */
import { Problem } from "./problem.js";

const TIMEOUT_MS = 20_000;
const identity = { csrf: "", project: "" };
/** @type {() => void} */
let onSignedOut = () => {};

/** @param {{csrf?: string, project?: string}} known */
export function identify(known) {
  Object.assign(identity, known);
}

/** @param {() => void} listener called when a session turns out to have ended */
export function whenSignedOut(listener) {
  onSignedOut = listener;
}

/** @param {Record<string, any>} params arrays are joined by commas, empty ones are left out @returns {string} */
export function query(params) {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    const text = Array.isArray(value) ? value.join(",") : value;
    if (text !== undefined && text !== null && text !== "") out.set(name, String(text));
  }
  const text = out.toString();
  return text ? `?${text}` : "";
}

function headersFor(method, body, etag, version) {
  const headers = new Headers({ Accept: "application/json" });
  if (identity.project) headers.set("Dlo-Project", identity.project);
  if (method !== "GET" && identity.csrf) headers.set("X-CSRF-Token", identity.csrf);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  if (etag) headers.set("If-None-Match", etag);
  if (version) headers.set("If-Match", `"${version}"`);
  return headers;
}

/** JSON as somebody wrote it: sent to the byte, not taken apart and written again. */
export class Raw {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** @param {any} value an object may have members that are Raw @returns {string} */
export function json(value) {
  if (value instanceof Raw) return value.text;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value);
  return `{${Object.entries(value).filter(([, v]) => v !== undefined).map(([name, v]) => `${JSON.stringify(name)}:${json(v)}`).join(",")}}`;
}

/** @param {string} method @param {string} path @param {{body?: any, etag?: string, version?: number, signal?: AbortSignal}} [options] */
async function send(method, path, { body, etag, version, signal } = {}) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await fetch(path, {
      method, credentials: "same-origin", cache: "no-store", redirect: "error",
      headers: headersFor(method, body, etag, version),
      body: body === undefined ? undefined : json(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, {}, "");
  }
}

async function problemOf(response) {
  let body = {};
  if (/json/.test(response.headers.get("Content-Type") ?? "")) body = await response.json().catch(() => ({}));
  const problem = new Problem(response.status, body ?? {}, response.headers.get("X-Request-Id") ?? "");
  if (response.status === 401 && problem.code !== "sign-in-failed") onSignedOut();
  return problem;
}

async function jsonOf(response) {
  if (response.status === 204) return null;
  return response.json().catch(() => { throw new Problem(502, {}, response.headers.get("X-Request-Id") ?? ""); });
}

/** @param {string} method @param {string} path @param {{body?: any, version?: number, signal?: AbortSignal}} [options] @returns {Promise<any>} */
export async function call(method, path, options) {
  const response = await send(method, path, options);
  if (!response.ok) throw await problemOf(response);
  return jsonOf(response);
}

/** @param {string} path @param {{signal?: AbortSignal}} [options] */
export const get = (path, options) => call("GET", path, options);
/** @param {string} path @param {any} [body] */
export const post = (path, body) => call("POST", path, { body: body ?? {} });

/** Changes what still is as it was at `version`. @param {string} path @param {any} body @param {number} version */
export const patch = (path, body, version) => call("PATCH", path, { body, version });

/**
 * Starts what somebody else does later. @param {string} path @param {any} body
 * @returns {Promise<string>} the path where it can be watched: the Location, whatever host it names
 */
export async function begin(path, body) {
  const response = await send("POST", path, { body });
  if (!response.ok) throw await problemOf(response);
  const { pathname, search } = new URL(response.headers.get("Location") ?? "", location.href);
  return pathname + search;
}

/** Bytes as they are stored, for a download. @param {string} path @returns {Promise<Blob>} */
export async function bytes(path) {
  const response = await send("GET", path);
  if (!response.ok) throw await problemOf(response);
  return response.blob();
}

/** Asks again only for what changed: null means nothing did. @param {string} path */
export function poll(path) {
  let etag = "";
  return async (/** @type {AbortSignal} */ signal) => {
    const response = await send("GET", path, { etag, signal });
    if (response.status === 304) return null;
    if (!response.ok) throw await problemOf(response);
    etag = response.headers.get("ETag") ?? "";
    return jsonOf(response);
  };
}
