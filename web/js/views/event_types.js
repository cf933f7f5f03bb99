/** The event types of the project and their schemas, to read: what producers may send. A schema is read when it is opened. */
import * as api from "../api.js";
import * as clock from "../clock.js";
import { h, fill, icon } from "../dom.js";
import * as format from "../format.js";
import { empty, failure } from "../notice.js";
import { textBlock, visible } from "../text_block.js";

const PAGE = 100;

export class EventTypesView {
  constructor() {
    this.title = "Event types";
    this.count = h("span.count");
    this.notice = h("div");
    this.list = h("ul.types");
    this.foot = h("div.list-foot", { hidden: true });
    this.cursor = "";
    this.element = h("section.view", h("div.view-head", h("h1", "Event types"), this.count), h("div.panel", this.notice, this.list, this.foot));
  }

  async start() {
    fill(this.count, "Loading…");
    fill(this.notice);
    try {
      await this.page();
    } catch (problem) {
      fill(this.count);
      fill(this.notice, failure(problem, () => this.start()));
    }
  }

  stop() {}

  async page() {
    const answer = await api.get(`/v1/event-types${api.query({ limit: PAGE, cursor: this.cursor })}`);
    this.cursor = answer.nextCursor ?? "";
    for (const type of answer.data) this.list.append(row(type));
    const n = this.list.children.length;
    fill(this.count, `${format.number(n)}${this.cursor ? " shown" : ""}`);
    if (n === 0) fill(this.notice, none());
    this.foot.hidden = !this.cursor;
    fill(this.foot, h("button", { type: "button", onclick: () => this.start() }, "Load more"));
  }
}

function none() {
  return empty("No event types yet.", h("p", "Any type is taken as it comes. A type with a JSON Schema refuses what does not satisfy it: ", h("code", "PUT /v1/event-types/{name}"), "."));
}

function row(type) {
  const place = h("div.type-schema");
  const details = h("details", { "data-type": type.name, ontoggle: () => details.open && open(type, place) },
    h("summary", h("span.strong.mono", type.name),
      type.hasSchema ? h("span.badge.good", icon("check"), "Schema") : h("span.badge", "No schema"),
      h("span.type-about.muted", type.description ? visible(type.description) : ""),
      h("span.muted.small", `version ${format.number(type.version)}, changed `, clock.ago(type.updatedAt))), place);
  return h("li", details);
}

async function open(type, place) {
  if (!type.hasSchema) {
    fill(place, h("p.muted", "Every payload of this type is taken."));
    return;
  }
  fill(place, h("p.muted", { role: "status" }, "Loading the schema…"));
  try {
    const { schema } = await api.get(`/v1/event-types/${encodeURIComponent(type.name)}`);
    fill(place, textBlock("JSON Schema", JSON.stringify(schema), { plain: "On one line" }));
  } catch (problem) {
    fill(place, failure(problem, () => open(type, place)));
  }
}
