// What has happened in the cluster: the last events, newest first, below the overview's nodes.

import { arrange, el, show, write } from "./dom.js";
import { textTest } from "./filter.js";
import { options, setOptions } from "./options.js";
import { linkTo } from "./route.js";
import { moment } from "./units.js";

/** Events that are shown at once, of those that an agent knows. */
const SHOWN = 50;
const MOST = 1000;

export class EventList {
  constructor() {
    this.all = new Map(); // id -> event, the newest first
    this.rows = new Map(); // id -> element of those shown
    this.offset = 0;
    this.list = el("ol", { class: "event-list" });
    this.note = el("p", { class: "note" });
    this.title = el("summary", {}, "Events");
    this.about = el("input", {
      type: "search",
      class: "about",
      placeholder: "Node, kind or text: db-*, down",
      "aria-label": "Show events of a node, a kind, or with a text",
      maxlength: "100",
      autocomplete: "off",
      spellcheck: "false",
    });
    const attributes = { class: "events", hidden: true };
    this.element = el("details", attributes, this.title, this.about, this.list, this.note);
    this.element.addEventListener("toggle", () => setOptions({ log: this.element.open }));
    this.about.addEventListener("input", () => {
      setOptions({ about: this.about.value.trim() });
      this.paint();
    });
  }

  /** Take one answer of the stream: the first on a connection has all events, later ones the new. */
  update({ events, seq }, offset) {
    if (seq > 0 && events.length === 0) {
      return;
    }
    const known = seq === 0 ? [] : [...this.all.values()];
    const newest = [...events, ...known].sort((a, b) => b.at - a.at).slice(0, MOST);
    this.all = new Map(newest.map((event) => [event.id, event]));
    this.offset = offset;
    if (seq === 0) {
      this.rows.clear();
    }
    this.paint();
  }

  /** Be open, and show those, as the options are. */
  follow() {
    this.element.open = options.log;
    this.about.value = options.about;
    this.paint();
  }

  paint() {
    const { about } = options;
    const test = about === "" ? () => true : textTest(about);
    const all = [...this.all.values()];
    const found = all.filter(({ node, kind, text }) => [node, kind, text ?? ""].some(test));
    const shown = found.slice(0, SHOWN);
    this.rows = new Map(
      shown.map((event) => [event.id, this.rows.get(event.id) ?? row(event, this.offset)]),
    );
    arrange(this.list, [...this.rows.values()]);
    show(this.element, all.length > 0);
    const more = found.length > SHOWN ? `and ${found.length - SHOWN} older ones` : "";
    write(this.note, found.length === 0 ? "No such event." : more);
    const [last] = all;
    const when = last && moment(last.at - this.offset);
    write(this.title, last ? `Events · last: ${last.node} ${last.kind}, ${when}` : "Events");
  }
}

function row({ at, node, kind, text }, offset) {
  return el(
    "li",
    { "data-kind": kind },
    el("time", {}, moment(at - offset)),
    el("a", { href: linkTo(node) }, node),
    el("span", { class: "kind" }, kind),
    el("span", { class: "text" }, text ?? ""),
  );
}
