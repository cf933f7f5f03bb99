/** The shell: header, overview, and the view the address names. One view at a time, each stopped when it is left. */
import { h, fill, icon } from "./dom.js";
import * as keys from "./keys.js";
import { Overview } from "./overview.js";
import * as router from "./router.js";
import * as session from "./session.js";
import * as theme from "./theme.js";
import { toast } from "./announce.js";
import { DeliveriesView } from "./views/deliveries.js";
import { DeliveryView } from "./views/delivery.js";
import { EntriesView } from "./views/entries.js";
import { EntryView } from "./views/entry.js";
import { EventTypesView } from "./views/event_types.js";
import { MissingView } from "./views/missing.js";
import { WebhookView } from "./views/webhook.js";
import { WebhooksView } from "./views/webhooks.js";

/**
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {string} title
 * @property {Record<string, () => void>} [keys]
 * @property {() => void} start
 * @property {() => void} stop
 * @property {boolean} [resumed] it stands where it was left, and has put the focus there itself
 * @property {(route: router.Route) => boolean} [follow] takes another address of the same view; false: make a new one
 */

const places = [["entries", "Dead letters"], ["deliveries", "Deliveries"], ["webhooks", "Webhooks"], ["event-types", "Event types"]];

/** @param {router.Route} route @returns {View} */
function viewFor(route) {
  if (route.name === "entries") return route.id ? new EntryView(route) : new EntriesView(route);
  if (route.name === "deliveries") return route.id ? new DeliveryView(route) : new DeliveriesView(route);
  if (route.name === "webhooks") return route.id ? new WebhookView(route) : new WebhooksView();
  if (route.name === "event-types" && !route.id) return new EventTypesView();
  return new MissingView();
}

const themeIcon = () => icon(theme.current() === "dark" ? "sun" : "moon");

export class Shell {
  /** @param {HTMLElement} root @param {{projectChanged: () => void, signedOut: () => void}} events */
  constructor(root, events) {
    this.root = root;
    this.events = events;
    this.overview = new Overview();
    this.place = h("div");
    this.nav = h("nav.nav", { "aria-label": "Main" });
    /** @type {View|null} */
    this.view = null;
    this.unlisten = () => {};
  }

  start() {
    fill(this.root, this.header(), h("main.main", { id: "main", tabindex: "-1" }, this.overview.element, this.place));
    this.unlisten = router.listen((route) => this.show(route, true));
    this.overview.start();
    this.show(router.parse(location.hash), false);
  }

  stop() {
    this.unlisten();
    this.overview.stop();
    this.view?.stop();
    keys.forView({});
  }

  /** @param {router.Route} route @param {boolean} moved whether somebody went there: then the heading gets the focus */
  show(route, moved) {
    if (this.view?.follow?.(route)) return;
    this.view?.stop();
    this.view = viewFor(route);
    fill(this.nav, places.map(([name, label]) => h("a", { href: router.link(name), "aria-current": route.name === name && "page" }, label)));
    fill(this.place, this.view.element);
    document.title = `${this.view.title} · Dead Letter Office`;
    keys.forView(this.view.keys ?? {});
    this.overview.compact(route.name !== "entries" || route.id !== "");
    this.view.start();
    if (moved && !this.view.resumed) this.focusHeading();
  }

  focusHeading() {
    const heading = this.view?.element.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  header() {
    const themeButton = h("button.plain.icon-button", { type: "button", title: "Light or dark (t)", "aria-label": "Switch between light and dark", onclick: theme.toggle },
      themeIcon());
    theme.whenChanged(() => fill(themeButton, themeIcon()));
    return h("header.header",
      h("a.wordmark", { href: "#/entries" }, h("img", { src: "favicon.svg", alt: "" }), h("span", "Dead Letter Office")),
      this.nav,
      h("div.header-tools", this.projectChoice(),
        h("span.who.clip", { title: session.user()?.login }, session.user()?.login),
        themeButton,
        h("button.plain.icon-button.for-keys", { type: "button", title: "Keyboard (?)", "aria-label": "Keyboard shortcuts", onclick: keys.help }, icon("help")),
        h("button.plain", { type: "button", onclick: () => this.signOut() }, icon("out"), h("span.label", "Sign out"))));
  }

  projectChoice() {
    const projects = session.projects();
    if (projects.length < 2) return projects.length ? h("span.who.strong", projects[0].name) : null;
    const choose = () => { session.chooseProject(select.value); router.replace("#/entries"); this.events.projectChanged(); };
    const select = h("select", { "aria-label": "Project", onchange: choose }, projects.map((p) => h("option", { value: p.id }, p.name)));
    select.value = session.currentProject()?.id ?? "";
    return select;
  }

  async signOut() {
    try {
      await session.signOut();
    } catch (problem) {
      if (problem.status !== 401) {
        toast(problem.message);
        return;
      }
    }
    this.events.signedOut();
  }
}
