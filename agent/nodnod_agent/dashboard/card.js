// One node in the overview, as a card or a row; the style sheet tells them apart. Of a node that was
// never in sight there is only the link with its name.

import { AlertLine } from "./alertline.js";
import { Cell } from "./cell.js";
import { COLUMNS } from "./nodecolumns.js";
import { changeIcon, el, icon, mark, show, write } from "./dom.js";
import { writeName } from "./elide.js";
import { linkTo } from "./route.js";
import { watch } from "./sight.js";
import { STATES, withoutState } from "./state.js";
import { duration, moment } from "./units.js";

export class Card {
  /** `onsight` is called with this card when it comes into sight. */
  constructor(name, onsight) {
    this.name = name;
    this.link = el("a", { class: "title", href: linkTo(name) });
    writeName(this.link, name, 0);
    this.head = el("div", { class: "name-row" }, this.link);
    this.element = el("li", { class: "node", "data-node": name }, this.head);
    this.columns = this.state = null;
    this.pinned = this.picked = false;
    this.inSight = false;
    watch(this.element, (inSight) => {
      this.inSight = inSight;
      if (inSight) {
        onsight(this);
      }
    });
  }

  /** Show what the page shows of a node that is out of sight, too: its height depends on it. */
  update({ state }, pinned, picked) {
    if (state !== this.state) {
      this.state = state;
      mark(this.element, "data-state", state);
    }
    Object.assign(this, { pinned, picked });
  }

  /**
   * Show the node, its alerts and these columns as of `now`. Lines end at `heard`, when the newest
   * answer came.
   */
  paint(node, { now, heard, alerts, columns }) {
    if (this.columns === null) {
      this.#build();
    }
    if (this.columns !== columns) {
      this.columns = columns;
      this.cells = columns.map((name) => new Cell(name, COLUMNS[name]));
      this.numbers.replaceChildren(...this.cells.map(({ element }) => element));
    }
    const { state } = node;
    const marks = [state, node.stats === null, this.pinned, this.picked].join();
    if (marks !== this.marks) {
      this.marks = marks;
      mark(this.element, "data-empty", node.stats === null ? "" : null);
      mark(this.pin, "aria-pressed", String(this.pinned));
      mark(this.pick, "aria-pressed", String(this.picked));
      changeIcon(this.icon, state);
      write(this.badge, STATES[state].word);
      show(this.reason, state !== "up");
    }
    if (node.system !== this.system) {
      this.system = node.system;
      write(this.facts, shortSystem(node));
    }
    if (node.tags !== this.tags) {
      this.tags = node.tags;
      mark(this.link, "title", [node.name, ...node.tags].join("\n"));
    }
    if (state !== "up") {
      write(this.reason, reason(node, now));
    }
    this.alerts.paint(alerts.of(node.name));
    for (const cell of this.cells) {
      cell.paint(node, now, heard);
    }
  }

  #build() {
    this.icon = icon("up");
    this.badge = el("span", { class: "badge" });
    this.facts = el("span", { class: "facts" });
    this.reason = el("p", { class: "reason" });
    this.alerts = new AlertLine();
    this.numbers = el("div", { class: "numbers" });
    this.head.prepend(this.icon);
    this.pin = this.#toggle("pinned", "pin", "Keep on top (p)", `Pin ${this.name}`);
    this.pick = this.#toggle("picked", "pick", "Pick, to compare (c)", `Pick ${this.name}`);
    this.head.append(this.badge, this.facts, el("span", { class: "toggles" }, this.pick, this.pin));
    this.element.append(this.numbers, this.reason, this.alerts.element);
  }

  /** A button for the pointer; for the keyboard there are keys, lest each node be three stops. */
  #toggle(option, symbol, title, label) {
    const attributes = { type: "button", class: "quiet toggle", tabindex: "-1", title };
    const more = { "data-toggles": option, "aria-label": label };
    return el("button", { ...attributes, ...more }, icon(symbol));
  }
}

/** The reason for a node's state, when the state began, and the time of its numbers. */
export function reason(node, now) {
  const parts = [withoutState(node.error)];
  if (node.since !== null) {
    parts.push(`since ${moment(node.since)} (${duration(now - node.since)})`);
  }
  if (!node.fresh && node.statsAt !== null) {
    parts.push(`numbers of ${moment(node.statsAt)}`);
  }
  return parts.join(" · ");
}

function shortSystem({ system }) {
  // Shortened, as in "Debian 12"; the node's own view shows the full name.
  return String(system?.os ?? "").replace(" GNU/Linux", "").replace(/ \(.*\)$/, "");
}
