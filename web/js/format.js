/** Numbers, times and sizes as text. Pure. */

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const dateTime = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const shortDate = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** @param {number} n */
export const number = (n) => plain.format(n);

/** "1 entry", "3 entries". @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** A rate with the digits it deserves: 0.2, 4.1, 329. @param {number} n */
export function rate(n) {
  if (n === 0) return "0";
  if (n < 0.1) return "< 0.1";
  return n < 10 ? String(Math.round(n * 10) / 10) : number(n);
}

/** The two largest units: "3 d 4 h", "12 s". @param {number} ms */
export function duration(ms) {
  const units = [["d", DAY], ["h", HOUR], ["min", MINUTE], ["s", SECOND]];
  const first = units.findIndex(([, size]) => ms >= Number(size));
  if (first < 0) return "0 s";
  const [name, size] = units[first];
  const n = Math.floor(ms / Number(size));
  const next = units[first + 1];
  const rest = next ? Math.floor((ms - n * Number(size)) / Number(next[1])) : 0;
  return rest && n < 10 ? `${n} ${name} ${rest} ${next[0]}` : `${n} ${name}`;
}

/** Coarser than a duration: nobody needs the seconds of nine minutes. @param {number} ms since then */
export function ago(ms) {
  if (ms < 1500) return "just now";
  return `${duration(ms >= MINUTE && ms < HOUR ? ms - (ms % MINUTE) : ms)} ago`;
}

/** @param {number} ms from now */
export const until = (ms) => (ms <= 0 ? "now" : `in ${duration(ms)}`);

/** A latency: "0.11 ms", "812 ms", "15.0 s". @param {number} ms */
export function latency(ms) {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 100) return `${Math.round(ms)} ms`;
  return `${ms >= 1 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** @param {number} n */
export function bytes(n) {
  if (n < 1024) return plural(n, "byte");
  return n < 1024 * 1024 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1024 / 1024).toFixed(1)} MiB`;
}

/** @param {string} at RFC 3339 */
export const full = (at) => dateTime.format(new Date(at));

/** The time of day, with the date in front unless it is `today`. @param {string} at @param {number} today ms */
export function stamp(at, today) {
  const date = new Date(at);
  const same = date.toDateString() === new Date(today).toDateString();
  return same ? clockTime.format(date) : `${shortDate.format(date)}, ${clockTime.format(date)}`;
}
