/** Signing in. What was typed is never kept; a wrong password empties only the password. */
import { h, fill, icon, uniqueId } from "../dom.js";
import { failure } from "../notice.js";
import * as session from "../session.js";

/** @param {HTMLElement} root @param {string} why somebody has to, if it is not obvious @param {() => void} done */
export function signIn(root, why, done) {
  const loginId = uniqueId("login"), passwordId = uniqueId("password");
  const login = h("input", { id: loginId, name: "login", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false" });
  const password = h("input", { id: passwordId, name: "password", type: "password", autocomplete: "current-password", required: true });
  const button = h("button.act", { type: "submit" }, "Sign in");
  const message = h("div");

  async function submit(event) {
    event.preventDefault();
    if (button.disabled) return;
    busy(true);
    try {
      await session.signIn(login.value, password.value);
      done();
    } catch (problem) {
      busy(false);
      fill(message, failure(problem));
      password.value = "";
      password.focus();
    }
  }

  function busy(yes) {
    button.disabled = yes;
    fill(button, yes && h("span.spinner", { "aria-hidden": "true" }), yes ? "Signing in…" : "Sign in");
  }

  document.title = "Sign in · Dead Letter Office";
  fill(root, h("main.sign-in", { id: "main", tabindex: "-1" },
    h("div.panel",
      h("div.brand", h("img", { src: "favicon.svg", alt: "" }), h("div", h("h1", "Dead Letter Office"), h("p.muted", "Webhooks that could not be delivered"))),
      why && h("div.notice.warn", { role: "status" }, icon("clock"), h("div", why)),
      message,
      h("form", { onsubmit: submit },
        h("div.field", h("label", { for: loginId }, "Login"), login),
        h("div.field", h("label", { for: passwordId }, "Password"), password),
        button))));
  login.focus();
}
