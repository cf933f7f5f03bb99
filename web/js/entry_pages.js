/**
 * The rows of one filtered list: pages by cursor, the exact total, and a look every few seconds at what has changed
 * above. Knows no DOM. Rows never change their order here: what is new is counted, and shown when somebody asks.
 */
import * as api from "./api.js";

const PAGE = 50;
const ROWS_MAX = 500;

export class EntryPages {
  /** @param {import("./filters.js").Filters} filters */
  constructor(filters) {
    this.filters = filters;
    /** @type {any[]} */
    this.rows = [];
    this.cursor = "";
    this.total = 0;
    this.relation = "eq";
    this.fresh = 0;
    this.loaded = false;
    this.look = api.poll(`/v1/dlq${api.query({ ...filters, limit: PAGE })}`);
  }

  /** The first page and the total. @param {AbortSignal} [signal] */
  async load(signal) {
    const page = await api.get(`/v1/dlq${api.query({ ...this.filters, limit: PAGE, count: "exact" })}`, { signal });
    this.rows = page.data;
    this.cursor = page.nextCursor ?? "";
    this.fresh = 0;
    this.loaded = true;
    this.count(page);
  }

  /** @returns {Promise<any[]>} the rows that came with the next page */
  async more() {
    const page = await api.get(`/v1/dlq${api.query({ ...this.filters, limit: PAGE, cursor: this.cursor })}`);
    const known = new Set(this.rows.map((row) => row.id));
    const added = page.data.filter((row) => !known.has(row.id));
    this.rows.push(...added);
    this.cursor = page.nextCursor ?? "";
    return added;
  }

  get canGrow() {
    return this.cursor !== "" && this.rows.length < ROWS_MAX;
  }

  get full() {
    return this.cursor !== "" && this.rows.length >= ROWS_MAX;
  }

  /** @param {AbortSignal} signal @returns {Promise<{changed: any[], gone: string[]}|null>} null: nothing has changed */
  async peek(signal) {
    const page = await this.look(signal);
    if (!page) return null;
    const now = new Map(page.data.map((row) => [row.id, row]));
    const known = new Set(this.rows.map((row) => row.id));
    const reaches = page.nextCursor ? keyOf(page.data[page.data.length - 1]) : "";
    this.fresh = page.data.filter((row) => !known.has(row.id) && this.covers(row)).length;
    const changed = this.rows.filter((row) => now.has(row.id) && now.get(row.id).updatedAt !== row.updatedAt).map((row) => now.get(row.id));
    const gone = this.rows.filter((row) => !now.has(row.id) && keyOf(row) >= reaches).map((row) => row.id);
    for (const row of changed) this.put(row);
    this.count(await api.get(`/v1/dlq${api.query({ ...this.filters, limit: 1, count: "exact" })}`, { signal }));
    return { changed, gone };
  }

  /** Whether a row belongs among those that are shown, not after the last. */
  covers(row) {
    return !this.cursor || this.rows.length === 0 || keyOf(row) > keyOf(this.rows[this.rows.length - 1]);
  }

  /** @param {any} entry in its place, if it has one */
  put(entry) {
    const at = this.rows.findIndex((row) => row.id === entry.id);
    if (at >= 0) this.rows[at] = entry;
  }

  count(page) {
    this.total = page.total;
    this.relation = page.totalRelation;
  }
}

const keyOf = (row) => `${row.createdAt} ${row.id}`;
