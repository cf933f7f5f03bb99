/** Watches an entry that is being replayed, every second, until it is decided. */
import * as api from "./api.js";
import { Poller } from "./poller.js";

const EVERY_MS = 1000;

/**
 * @param {string} id @param {(entry: any) => void} seen each time, the last one no longer replaying
 * @returns {() => void} stops watching
 */
export function watch(id, seen) {
  const poller = new Poller(async (signal) => {
    const entry = await api.get(`/v1/dlq/${id}`, { signal });
    seen(entry);
    if (entry.state !== "replaying") poller.stop();
  }, () => EVERY_MS);
  poller.now();
  return () => poller.stop();
}
