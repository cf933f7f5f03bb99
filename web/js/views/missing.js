/** An address that leads nowhere. */
import { h } from "../dom.js";
import { empty } from "../notice.js";

export class MissingView {
  constructor() {
    this.title = "Not found";
    this.element = h("section.view.panel", h("h1.visually-hidden", "Not found"),
      empty("There is nothing at this address.", h("p", h("a", { href: "#/entries" }, "Go to the dead letters"))));
  }

  start() {}

  stop() {}
}
