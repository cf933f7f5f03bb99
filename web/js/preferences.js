/**
 * Preferences: what this browser remembers about its user. Never holds anything about dead letters or credentials.
 */

/** @param {string} name @param {string} fallback @returns {string} */
export function get(name, fallback) {
  try {
    return localStorage.getItem(`dlo.${name}`) ?? fallback;
  } catch {
    return fallback;
  }
}

/** @param {string} name @param {string|null} value null forgets it */
export function set(name, value) {
  try {
    if (value === null) localStorage.removeItem(`dlo.${name}`);
    else localStorage.setItem(`dlo.${name}`, value);
  } catch { /* private mode: it lasts as long as the page */ }
}
