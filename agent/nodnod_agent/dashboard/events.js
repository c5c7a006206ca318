// What has happened in the cluster: the last events, newest first, below the overview's nodes.

import { arrange, el, show, write } from "./dom.js";
import { moment } from "./units.js";

/** Events on the page; the agent knows more. */
const SHOWN = 50;

export class EventList {
  constructor() {
    this.rows = new Map(); // id -> event and element
    this.list = el("ol", { class: "event-list" });
    this.title = el("summary", {}, "Events");
    this.element = el("details", { class: "events", hidden: true }, this.title, this.list);
  }

  /** Take one answer of the stream: the first on a connection has all events, later ones the new. */
  update({ events, seq }, offset) {
    if (seq === 0) {
      this.rows.clear();
    }
    for (const event of events) {
      this.rows.set(event.id, { event, element: row(event, offset) });
    }
    if (seq > 0 && events.length === 0) {
      return;
    }
    const newest = [...this.rows.values()].sort((a, b) => b.event.at - a.event.at).slice(0, SHOWN);
    this.rows = new Map(newest.map((one) => [one.event.id, one]));
    arrange(this.list, newest.map(({ element }) => element));
    show(this.element, newest.length > 0);
    const last = newest[0]?.event;
    const when = last && moment(last.at - offset);
    write(this.title, last ? `Events · last: ${last.node} ${last.kind}, ${when}` : "Events");
  }
}

function row({ at, node, kind, text }, offset) {
  return el(
    "li",
    { "data-kind": kind },
    el("time", {}, moment(at - offset)),
    el("b", {}, node),
    el("span", { class: "kind" }, kind),
    el("span", { class: "text" }, text ?? ""),
  );
}
