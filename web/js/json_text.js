/**
 * JSON as text, laid out for reading without being understood: numbers of twenty digits, 1.10 and repeated keys stay as
 * they are, because nothing is parsed and written again.
 */
import { h } from "./dom.js";

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const COLOURED_MAX = 20_000;

/** @param {string} text @returns {boolean} */
export function isJson(text) {
  if (!/^\s*[[{"\-0-9tfn]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} text valid JSON @returns {{text: string, kind: string}[]} tokens and white space in reading order */
export function layOut(text) {
  const out = [];
  const tokens = text.match(TOKENS) ?? [];
  let depth = 0;
  const line = (/** @type {number} */ at) => out.push({ text: `\n${"  ".repeat(Math.max(0, Math.min(at, 40)))}`, kind: "" });
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i], next = tokens[i + 1];
    const opens = token === "{" || token === "[", closes = next === "}" || next === "]";
    if (token === "}" || token === "]") depth -= 1;
    out.push({ text: token, kind: kindOf(token, next) });
    if (opens && closes) {
      out.push({ text: next, kind: "" });
      i += 1;
    } else if (opens) {
      depth += 1;
    }
    if ((opens && !closes) || token === ",") line(depth);
    else if (token === ":") out.push({ text: " ", kind: "" });
    else if (endsLine(tokens[i + 1])) line(depth - 1);
  }
  return out;
}

const endsLine = (token) => token === "}" || token === "]";

function kindOf(token, next) {
  if (token[0] === '"') return next === ":" ? "key" : "string";
  return /^[{}[\],:]$/.test(token) ? "" : "literal";
}

/** @param {string} text valid JSON @returns {Node[]} */
export function pretty(text) {
  const tokens = layOut(text);
  if (text.length > COLOURED_MAX) return [document.createTextNode(tokens.map((t) => t.text).join(""))];
  return tokens.map((t) => (t.kind ? h(`span.${t.kind}`, t.text) : document.createTextNode(t.text)));
}

/** As text for a field. @param {string} text JSON or not @returns {string} */
export const laidOut = (text) => (isJson(text) ? layOut(text).map((t) => t.text).join("") : text);
