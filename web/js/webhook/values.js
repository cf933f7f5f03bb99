/** The values of a webhook's settings between what people write and what the API takes. Pure. */
import { Raw } from "../api.js";
import * as format from "../format.js";

/** What cannot be read at all; the server judges the rest. */
export class Unreadable extends Error {}

const units = { s: 1, min: 60, m: 60, h: 3600, d: 86_400 };

/** "90", "90 s", "1h 30m" in seconds. @param {string} text */
function seconds(text) {
  if (/^\d+$/.test(text)) return Number(text);
  if (!/^(\d+\s*(s|min|m|h|d)\s*)+$/i.test(text)) throw new Unreadable(`“${text}” is no duration: write seconds, or 30s, 5m, 1h, 2d.`);
  return [...text.toLowerCase().matchAll(/(\d+)\s*(s|min|m|h|d)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0);
}

/** The shortest way to write it: 3600 is "1h", 90 is "90s". @param {number} n seconds */
function brief(n) {
  const [unit, size] = Object.entries({ d: 86_400, h: 3600, m: 60 }).find(([, one]) => n >= one && n % one === 0) ?? ["s", 1];
  return `${n / size}${unit}`;
}

const listed = (text) => text.split(/[\s,]+/).filter(Boolean);

function number(text) {
  const plain = text.replace(/(?<=\d)[,_ ](?=\d{3}\b)/g, "");
  if (!/^-?\d+(\.\d+)?$/.test(plain)) throw new Unreadable(`“${text}” is no number.`);
  return Number(plain);
}

function parsed(text) {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Unreadable(`This is no JSON: ${error.message}`);
  }
  return new Raw(text);
}

/** @typedef {{write: (value: any) => string, read: (text: string) => any}} Kind between a value and a field; read may throw Unreadable; an empty field is null */

/** @type {Record<string, Kind>} */
export const kinds = {
  text: { write: String, read: (text) => text },
  number: { write: String, read: number },
  duration: { write: brief, read: seconds },
  durations: { write: (list) => list.map(brief).join(", "), read: (text) => text.split(",").map((one) => one.trim()).filter(Boolean).map(seconds) },
  list: { write: (list) => list.join(", "), read: listed },
  numbers: { write: (list) => list.join(", "), read: (text) => listed(text).map(number) },
  json: { write: (value) => JSON.stringify(value, null, 2), read: parsed },
};

export const words = {
  /** @param {string[]} list @param {string} none */
  list: (list, none) => (list.length ? list.join(", ") : none),
  /** @param {number} n seconds */
  duration: (n) => format.duration(n * 1000),
};
