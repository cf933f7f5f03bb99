/**
 * Editing a webhook's settings. Sends only what was changed, over the version that was read; what the server refuses is
 * shown at its field. When somebody else was faster, the own changes stay in the form.
 */
import * as api from "../api.js";
import { h, fill, icon, uniqueId } from "../dom.js";
import { failure } from "../notice.js";
import { editable, fieldAt, groups, valueOf } from "./fields.js";
import { kinds, Unreadable } from "./values.js";

class FieldControl {
  /** @param {import("./fields.js").Field} field */
  constructor(field) {
    this.field = field;
    this.id = uniqueId("setting");
    this.input = this.make();
    this.error = h("p.field-error", { id: `${this.id}-error` });
    const hint = field.hint && h("p.field-hint", { id: `${this.id}-hint` }, field.hint);
    const label = h("label", { for: this.id }, field.label);
    this.element = h("div.field", { class: field.control === "area" && "wide", "data-setting": field.name },
      field.control === "check" ? h("div.check", this.input, label) : [label, this.input], this.error, hint);
    this.describe(false);
  }

  make() {
    const plain = { id: this.id, name: this.field.name, autocomplete: "off", spellcheck: "false", autocapitalize: "none" };
    if (this.field.control === "check") return h("input", { id: this.id, name: this.field.name, type: "checkbox" });
    return this.field.control === "area" ? h("textarea.mono", { ...plain, rows: "5" }) : h("input", plain);
  }

  describe(bad) {
    const by = [bad && `${this.id}-error`, this.field.hint && `${this.id}-hint`].filter(Boolean).join(" ");
    if (by) this.input.setAttribute("aria-describedby", by);
    else this.input.removeAttribute("aria-describedby");
    if (bad) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  /** @param {string} text "" takes it back */
  complain(text) {
    this.error.textContent = text;
    this.describe(text !== "");
  }

  get text() {
    return this.field.control === "check" ? String(this.input.checked) : this.input.value.trim();
  }

  get changed() {
    return this.text !== this.was;
  }

  /** @param {any} hook */
  put(hook) {
    const value = valueOf(hook, this.field.name);
    if (this.field.control === "check") this.input.checked = Boolean(value);
    else this.input.value = value === null ? "" : kinds[this.field.kind ?? "text"].write(value);
    this.was = this.text;
  }

  /** @returns {any} as the API takes it */
  value() {
    if (this.field.control === "check") return this.input.checked;
    return this.text === "" ? null : kinds[this.field.kind ?? "text"].read(this.text);
  }
}

/** A list that was emptied is an empty list; the rest goes back to its default. */
const emptied = (name) => (["eventTypes", "channels", "expectedStatuses"].includes(name) ? [] : null);

export class SettingsForm {
  /** @param {any} hook @param {{saved: (hook: any, names: string[]) => void, cancelled: () => void}} events */
  constructor(hook, events) {
    this.hook = hook;
    this.events = events;
    this.controls = editable.map((field) => new FieldControl(field));
    this.notice = h("div", { "aria-live": "polite" });
    this.save = h("button.act", { type: "submit" }, "Save");
    this.element = h("form.settings-form", { "aria-label": "Settings", novalidate: true, onsubmit: (event) => this.submit(event) },
      groups.map((group) => this.group(group)),
      h("div.actions.form-actions", this.notice, this.save, h("button", { type: "button", onclick: () => events.cancelled() }, "Cancel")));
    for (const control of this.controls) control.put(hook);
  }

  group(name) {
    const own = this.controls.filter(({ field }) => field.group === name);
    return own.length > 0 && h("fieldset", h("legend", name), h("div.fields", own.map((control) => control.element)));
  }

  focus() {
    this.controls[0].input.focus();
  }

  /** What was changed, or null: something cannot be read, and its field says so. */
  changes() {
    const body = {};
    let bad = null;
    for (const control of this.controls) {
      control.complain("");
      if (!control.changed) continue;
      try {
        const [member, part] = control.field.name.split(".");
        const value = control.value() ?? emptied(member);
        body[member] = part ? { ...body[member], [part]: value } : value;
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        control.complain(error.message);
        bad ??= control;
      }
    }
    bad?.input.focus();
    return bad ? null : body;
  }

  async submit(event) {
    event.preventDefault();
    if (this.save.disabled) return;
    fill(this.notice);
    const body = this.changes();
    if (!body) return;
    if (Object.keys(body).length === 0) {
      this.events.cancelled();
      return;
    }
    this.save.disabled = true;
    try {
      this.events.saved(await api.patch(`/v1/webhooks/${this.hook.id}`, body, this.hook.version), Object.keys(body));
    } catch (problem) {
      if (problem.status === 412) await this.overtaken();
      else this.refused(problem);
    } finally {
      this.save.disabled = false;
    }
  }

  /** @param {any} problem each part of it at its field */
  refused(problem) {
    const rest = [];
    let first = null;
    for (const { pointer, detail } of problem.fields ?? []) {
      const control = this.controls.find(({ field }) => field === fieldAt(pointer ?? ""));
      control?.complain(detail);
      first ??= control ?? null;
      if (!control) rest.push(detail);
    }
    if (first) first.input.focus();
    if (!first || rest.length) fill(this.notice, failure(problem));
    else fill(this.notice, h("div.notice.bad", { role: "alert" }, icon("alert"), h("div", "Not saved: see the field that is marked.")));
  }

  /** Somebody else saved first: what was not touched here becomes theirs. */
  async overtaken() {
    try {
      const now = await api.get(`/v1/webhooks/${this.hook.id}`);
      const both = [];
      for (const control of this.controls) {
        const theirs = JSON.stringify(valueOf(now, control.field.name)) !== JSON.stringify(valueOf(this.hook, control.field.name));
        if (!theirs) continue;
        if (control.changed) both.push(control.field.label);
        else control.put(now);
      }
      this.hook = now;
      const clash = both.length ? ` Both of you changed ${both.join(", ")}: saving replaces theirs.` : "";
      fill(this.notice, h("div.notice.warn", { role: "alert" }, icon("alert"), h("div", `Somebody else changed this webhook meanwhile. Your changes are still in the form: look, and save again.${clash}`)));
      this.save.focus();
    } catch (problem) {
      fill(this.notice, failure(problem));
    }
  }
}
