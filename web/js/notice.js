/** Notices inside a view: what failed and what may be done, what is loading, what is not there. */
import { h, icon } from "./dom.js";

/** @param {any} problem @param {() => void} [again] */
export function failure(problem, again) {
  const text = problem?.status === undefined ? "Something in this page failed." : problem.message;
  return h("div.notice.bad", { role: "alert" }, icon("alert"),
    h("div", text, problem?.requestId && h("span.muted.small", " Request ", h("code", problem.requestId))),
    again && h("button.tiny", { type: "button", onclick: again }, "Try again"));
}

/** @param {string} text */
export function loading(text) {
  return h("div.empty", { role: "status" }, h("p.actions", h("span.spinner", { "aria-hidden": "true" }), text));
}

/** @param {string} title @param {...any} children */
export function empty(title, ...children) {
  return h("div.empty", h("h2", title), children);
}
