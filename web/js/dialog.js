/** Dialogs: made when asked for, gone when answered, and the focus goes back to where it came from. */
import { h, uniqueId } from "./dom.js";

/**
 * @param {string} kind "danger", "act" or "" @param {string} title
 * @param {(close: (value?: any) => void) => any} build the children of the form; its submit button answers
 * @param {(form: HTMLFormElement) => any} [answer] what the form's submission resolves to
 * @param {{stays?: boolean}} [options] stays: Escape does not close it
 * @returns {Promise<any>} undefined: cancelled
 */
export function open(kind, title, build, answer, { stays = false } = {}) {
  const before = /** @type {HTMLElement|null} */ (document.activeElement);
  const heading = uniqueId("dialog");
  return new Promise((resolve) => {
    let value;
    const close = (given) => { value = given; dialog.close(); };
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      close(answer ? answer(/** @type {HTMLFormElement} */ (event.currentTarget)) : true);
    };
    const dialog = h("dialog", { "aria-labelledby": heading, class: kind && `for-${kind}` },
      h("form", { onsubmit: submit }, h("h2", { id: heading }, title), build(close)));
    if (stays) dialog.addEventListener("keydown", (event) => { if (event.key === "Escape") event.preventDefault(); });
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(value);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** @returns {boolean} whether one stands open: then no key means anything else */
export const isOpen = () => document.querySelector("dialog[open]") !== null;
