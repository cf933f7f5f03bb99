/**
 * The editor of a webhook's transform: the program on the left, a sample on the right, what comes of both below. A
 * trial is run by a sender and watched here; nothing is sent to the receiver. The sample is, if the membership allows
 * it, the payload of the newest dead letter.
 */
import * as api from "../api.js";
import { announce } from "../announce.js";
import { h, fill, icon, uniqueId } from "../dom.js";
import * as format from "../format.js";
import { laidOut } from "../json_text.js";
import { failure } from "../notice.js";
import { Poller } from "../poller.js";
import * as router from "../router.js";
import * as session from "../session.js";
import { textBlock, visible } from "../text_block.js";

const EVERY_MS = 400;
const WAIT_MS = 30_000;
const EXAMPLE = '{\n  "id": "example_1"\n}';

export class TransformEditor {
  /** @param {any} hook @param {(hook: any) => void} saved */
  constructor(hook, saved) {
    this.hook = hook;
    this.saved = saved;
    this.poller = null;
    this.tried = false;
    this.program = this.area("Program (jq)", "{id: .id}", "transform");
    this.sample = this.area("Sample payload (JSON)", "", "sample");
    this.source = h("p.field-hint", "An example. Put in what producers send.");
    this.sample.element.append(this.source);
    this.result = h("div.trial");
    this.buttons = h("div.actions");
    this.element = h("section.panel", { "aria-labelledby": "transform-heading" },
      h("div.section-head", h("h2", { id: "transform-heading" }, "Transform "), this.standing = h("span.muted.small")),
      h("form.transform", { onsubmit: (event) => { event.preventDefault(); this.try(); }, onkeydown: (event) => this.key(event) },
        h("div.transform-sides", this.program.element, this.sample.element), this.buttons, this.result));
    this.program.input.value = hook.transform ?? "";
    this.sample.input.value = EXAMPLE;
    this.program.input.addEventListener("input", () => this.draw());
    this.draw();
  }

  area(label, placeholder, name) {
    const id = uniqueId(name);
    const input = h("textarea.mono", { id, name, rows: "10", placeholder, spellcheck: "false", autocomplete: "off", autocapitalize: "none" });
    const error = h("p.field-error", { id: `${id}-error` });
    return { input, error, element: h("div.field", h("label", { for: id }, label), input, error) };
  }

  complain(side, text) {
    side.error.textContent = text;
    for (const [name, value] of [["aria-invalid", "true"], ["aria-describedby", side.error.id]]) {
      if (text) side.input.setAttribute(name, value);
      else side.input.removeAttribute(name);
    }
    if (text) side.input.focus();
  }

  stop() {
    this.poller?.stop();
    this.poller = null;
  }

  /** @param {any} hook as it is now; what somebody is writing stays */
  update(hook) {
    const writing = this.dirty;
    const theirs = hook.transform !== this.hook.transform;
    this.hook = hook;
    if (!writing) this.program.input.value = hook.transform ?? "";
    else if (theirs && this.dirty) this.tellTheirs("Somebody else changed the transform meanwhile.");
    this.draw();
  }

  get dirty() {
    return this.program.input.value !== (this.hook.transform ?? "");
  }

  draw() {
    const text = this.hook.transform === null ? "none: receivers get the payload's own bytes" : "makes what receivers get, once for each delivery";
    fill(this.standing, this.dirty ? `${text}; not saved yet` : text);
    const may = session.may("webhooks:write");
    const empty = this.program.input.value.trim() === "";
    const now = JSON.stringify([may, empty, this.dirty, this.hook.transform === null]);
    if (now === this.drawn) return;
    this.drawn = now;
    const button = (act, kind, off, label, run) => h(`button${kind}`, { type: act === "try" ? "submit" : "button", "data-act": act, disabled: !may || off, onclick: run }, label);
    const focused = this.buttons.contains(document.activeElement) ? document.activeElement?.getAttribute("data-act") : null;
    fill(this.buttons,
      button("try", "", empty, [icon("play"), "Try it"], null),
      button("save", ".act", empty || !this.dirty, "Save", () => this.save(this.program.input.value)),
      this.dirty && button("revert", "", false, "Revert", () => this.revert()),
      this.hook.transform !== null && button("remove", ".danger", false, "Remove", () => this.save(null)),
      !may && h("span.muted.small", "Your membership does not include changing webhooks (webhooks:write)."));
    if (focused) (this.buttons.querySelector(`[data-act="${focused}"]:not(:disabled)`) ?? this.program.input).focus();
  }

  revert() {
    this.program.input.value = this.hook.transform ?? "";
    this.complain(this.program, "");
    this.draw();
  }

  key(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.try();
  }

  // --- the sample ---

  /** Looks for a better sample than the example, unless somebody has begun to write one. */
  async findSample() {
    if (!session.may("dlq:read") || !session.may("dlq:payload")) {
      fill(this.source, "An example: your membership does not include seeing payloads (dlq:payload).");
      return;
    }
    const { data: [newest] } = await api.get(`/v1/dlq${api.query({ webhookId: this.hook.id, state: "all", limit: 1 })}`);
    if (!newest) return;
    const { payload, encoding } = (await api.get(`/v1/dlq/${newest.id}`)).originalMessage ?? {};
    if (typeof payload !== "string" || encoding === "base64" || this.tried || this.sample.input.value !== EXAMPLE) return;
    this.sample.input.value = laidOut(payload);
    fill(this.source, "From the newest dead letter, ", h("a", { href: router.link("entries", newest.id) }, newest.eventType ?? newest.id), ".");
  }

  // --- trying ---

  /** @returns {boolean} whether the sample is JSON; else its field says so */
  readable() {
    this.complain(this.program, "");
    try {
      JSON.parse(this.sample.input.value);
      this.complain(this.sample, "");
      return true;
    } catch (error) {
      this.complain(this.sample, `This is no JSON: ${error.message}`);
      return false;
    }
  }

  async try() {
    if (this.program.input.value.trim() === "" || this.poller || !this.readable()) return;
    this.tried = true; // what is shown beside the output must be what made it
    this.busy("Asking a sender to run it…");
    try {
      const body = { transform: this.program.input.value, payload: new api.Raw(this.sample.input.value) };
      this.watch(await api.begin(`/v1/webhooks/${this.hook.id}/test-transform`, body));
    } catch (problem) {
      this.refused(problem);
    }
  }

  busy(text) {
    fill(this.result, h("div.notice.busy", h("span.spinner", { "aria-hidden": "true" }), h("div", text)));
  }

  watch(path) {
    const since = Date.now();
    this.poller = new Poller(async (signal) => {
      const trial = await api.get(path, { signal });
      if (trial.status === "done") this.done(trial);
      else if (Date.now() - since > WAIT_MS) this.late();
    }, () => EVERY_MS, (problem) => { if (!problem.passing || Date.now() - since > WAIT_MS) this.refused(problem); });
    this.poller.now();
  }

  late() {
    this.stop();
    fill(this.result, h("div.notice.warn", icon("clock"), h("div", "No sender has taken it within half a minute. Does the worker run? The strip on top says so.")));
  }

  done(trial) {
    this.stop();
    const took = trial.elapsedMs === null ? "" : `in ${format.latency(trial.elapsedMs)}`;
    announce(trial.error === null && trial.errorCode === null ? "The transform ran." : `The transform failed: ${trial.error}`);
    if (trial.errorCode !== null || trial.error !== null) fill(this.result, failed(trial, took));
    else fill(this.result, textBlock("Output", trial.output ?? "", { plain: "Show its bytes", note: `${format.bytes(new Blob([trial.output ?? ""]).size)} ${took}` }));
  }

  refused(problem) {
    this.stop();
    fill(this.result, problem.code === "transforms-unavailable" ? unavailable(problem) : failure(problem));
    const at = (problem.fields ?? []).find(({ pointer }) => /^\/(transform|payload)/.test(pointer));
    if (at && problem.code !== "transforms-unavailable") this.complain(at.pointer.startsWith("/payload") ? this.sample : this.program, at.detail);
  }

  // --- saving ---

  /** @param {string|null} transform null takes it away */
  async save(transform) {
    try {
      const hook = await api.patch(`/v1/webhooks/${this.hook.id}`, { transform }, this.hook.version);
      this.hook = hook;
      this.program.input.value = hook.transform ?? "";
      this.saved(hook);
      this.draw();
      this.said(transform === null ? "The transform is removed: receivers get the payload's own bytes." : "Saved: deliveries that have not begun are made by it.");
    } catch (problem) {
      if (problem.status === 412) await this.overtaken();
      else this.refused(problem);
    }
  }

  said(text) {
    fill(this.result, h("div.notice.good", icon("check"), h("div", text)));
    announce(text);
  }

  async overtaken() {
    const now = await api.get(`/v1/webhooks/${this.hook.id}`).catch(() => null);
    const theirs = now && now.transform !== this.hook.transform;
    if (now) this.hook = now;
    this.draw();
    if (theirs) this.tellTheirs("Somebody else changed the transform meanwhile, so nothing was saved.");
    else fill(this.result, h("div.notice.warn", { role: "alert" }, icon("alert"), h("div", "Somebody else changed this webhook meanwhile, so nothing was saved. Its transform was not touched: save again.")));
  }

  tellTheirs(what) {
    const { transform } = this.hook;
    fill(this.result, h("div.notice.warn", { role: "alert" }, icon("alert"), h("div", what, " ",
      transform === null ? "They removed it." : ["It is now: ", h("code.mono", visible(transform))], h("p", "Yours is kept above; saving replaces theirs."))));
  }
}

function failed(trial, took) {
  return h("div.notice.bad", icon("cross"), h("div", h("strong", "It failed"), ` ${took}: `, h("span", visible(trial.error ?? "")), " ", trial.errorCode && h("code.mono", trial.errorCode),
    h("p.small.muted", "A delivery that meets this becomes a dead letter at once (transform_failed).")));
}

function unavailable(problem) {
  return h("div.notice.warn", { role: "alert" }, icon("alert"), h("div", h("strong", "No sender can run transforms at the moment. "), problem.message,
    h("p", "Until then none can be tried or saved, and deliveries of webhooks that have one are held.")));
}
