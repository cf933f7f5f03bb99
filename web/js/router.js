/**
 * Routes live in the hash: "#/entries/dlq_1?n=3". Filters are part of it, so that every view can be bookmarked and the
 * browser's own back button works.
 */

/** @typedef {{name: string, id: string, query: URLSearchParams}} Route */

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [name = "", id = ""] = path.split("/", 2).map(decode);
  return { name: name || "entries", id, query: new URLSearchParams(search) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} name @param {string} [id] @param {URLSearchParams|Record<string, string>} [query] @returns {string} */
export function link(name, id, query) {
  const search = new URLSearchParams(query ?? {}).toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}${search ? `?${search}` : ""}`;
}

/** @param {string} hash */
export function go(hash) {
  location.hash = hash;
}

/** Changes the address without leaving the view. @param {string} hash */
export function replace(hash) {
  history.replaceState(null, "", hash);
}

/** @param {(route: Route) => void} listener @returns {() => void} stops it */
export function listen(listener) {
  const change = () => listener(parse(location.hash));
  addEventListener("hashchange", change);
  return () => removeEventListener("hashchange", change);
}
