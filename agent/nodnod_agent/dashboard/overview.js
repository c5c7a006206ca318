// The overview: the totals, and every node as a card or a row.

import { Card } from "./card.js";
import { arrange, el, icon, mark, show, unseen, write } from "./dom.js";
import { beginnings, writeName } from "./elide.js";
import { EventList } from "./events.js";
import { listen } from "./keys.js";
import { options, setOptions } from "./options.js";
import { SORTS, inOrder } from "./order.js";
import { Totals } from "./totals.js";
import { count, moment } from "./units.js";

/** Seconds between two sorts: rows that move every second cannot be read. */
const SORT_INTERVAL = 3;
/** From this many nodes on, rows are the default. */
const ROWS_FROM = 25;

export class Overview {
  constructor(cluster, alerts, repaint) {
    Object.assign(this, { cluster, alerts, repaint });
    this.cards = new Map();
    this.sortedAt = 0;
    this.totals = new Totals((state) => this.#change({ state: state ?? "" }));
    this.list = el("ul", { class: "nodes", "aria-label": "Nodes" });
    listen(this.list, "list", {
      next: () => this.#moveFocus((at) => at + 1),
      previous: () => this.#moveFocus((at) => at - 1),
      first: () => this.#moveFocus(() => 0),
      last: () => this.#moveFocus(() => Infinity),
    });
    this.empty = el("p", { class: "empty" });
    this.left = el("p", { class: "departed" });
    this.events = new EventList();
    this.element = el(
      "div",
      { class: "overview" },
      el("h1", { class: "unseen" }, "All nodes"),
      this.totals.element,
      this.#header(),
      this.list,
      this.empty,
      this.left,
      this.events.element,
    );
  }

  /** Show the cluster as of `now`. */
  paint(now) {
    const { cluster, cards } = this;
    const automatic = cluster.nodes.size >= ROWS_FROM ? "rows" : "cards";
    const density = options.density === "auto" ? automatic : options.density;
    mark(this.list, "data-density", density);
    mark(this.sortBar, "data-density", density);
    for (const [name, button] of Object.entries(this.densities)) {
      mark(button, "aria-pressed", String(name === density));
    }
    mark(this.element, "data-loading", cluster.heard === null ? "" : null);
    if (cluster.heard === null) {
      return;
    }
    this.totals.paint(cluster, options.state || null);
    for (const name of cards.keys()) {
      if (!cluster.nodes.has(name)) {
        cards.get(name).element.remove();
        cards.delete(name);
        this.sortedAt = 0;
      }
    }
    for (const [name, node] of cluster.nodes) {
      if (!cards.has(name)) {
        cards.set(name, new Card(name));
        this.sortedAt = 0;
      }
      cards.get(name).paint(node, now, cluster.heard, this.alerts.of(name));
    }
    if (this.sortedAt === 0) {
      for (const [name, at] of beginnings(cards.keys())) {
        writeName(cards.get(name).link, name, at);
      }
    }
    this.#sort(now);
    this.#paintLeft();
  }

  /** The link of a node, to return the focus to. */
  linkOf(name) {
    return this.cards.get(name)?.link;
  }

  #sort(now) {
    // Rows do not move while the keyboard focus is among them.
    const held = this.list.contains(document.activeElement) && this.sortedAt > 0;
    if (held || Math.abs(now - this.sortedAt) < SORT_INTERVAL) {
      return;
    }
    this.sortedAt = now;
    const text = options.filter;
    const shown = inOrder([...this.cluster.nodes.values()], options, this.alerts);
    arrange(this.list, shown.map(({ name }) => this.cards.get(name).element));
    for (const [sort, button] of Object.entries(this.sorts)) {
      const order = options.reverse ? "reverse" : "forward";
      const direction = options.sort === sort ? order : null;
      mark(button, "data-direction", direction);
      mark(button, "aria-pressed", String(direction !== null));
    }
    show(this.empty, shown.length === 0);
    const noMatch = `No node’s name or tag fits “${text.trim()}”.`;
    write(this.empty, options.state === "" ? noMatch : "No such node just now.");
    const all = this.cluster.nodes.size;
    const part = shown.length === all ? "" : `${shown.length} of `;
    write(this.shown, part + count(all, "node"));
  }

  #paintLeft() {
    const { left, offset } = this.cluster;
    show(this.left, left.length > 0);
    const texts = left
      .slice(0, 10)
      .map(({ name, since }) => `${name} at ${moment(since - offset)}`);
    const more = left.length > 10 ? ` and ${left.length - 10} more` : "";
    write(this.left, `Left on purpose: ${texts.join(", ")}${more}.`);
  }

  #header() {
    this.filter = el("input", {
      type: "search",
      id: "filter",
      placeholder: "Filter by name or tag:role=db",
      "aria-label": "Filter by name or tag",
      "aria-keyshortcuts": "/",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.filter.addEventListener("input", () => this.#change({ filter: this.filter.value }));
    this.shown = el("span", { class: "shown" });
    this.densities = {
      cards: this.#densityButton("cards", "Cards"),
      rows: this.#densityButton("rows", "Rows"),
    };
    const group = { class: "densities", role: "group", "aria-label": "Show nodes as" };
    const densities = el("div", group, ...Object.values(this.densities));
    this.sorts = Object.fromEntries(
      Object.keys(SORTS).map((sort) => [sort, this.#sortButton(sort)]),
    );
    const sorts = { class: "sort-bar", role: "group", "aria-label": "Sort by" };
    const history = el("span", { class: "sort-key by-history" }, "CPU, 5 min");
    this.sortBar = el("div", sorts, ...Object.values(this.sorts), history);
    const tools = el("div", { class: "tools" }, this.filter, this.shown, densities);
    return el("div", { class: "list-header" }, tools, this.sortBar);
  }

  #densityButton(density, word) {
    const button = el("button", { type: "button", class: "quiet", title: word }, icon(density));
    button.append(unseen(word));
    button.addEventListener("click", () => this.#change({ density }));
    return button;
  }

  #sortButton(sort) {
    const button = el("button", { type: "button", class: `sort-key by-${sort}` }, SORTS[sort].word);
    button.addEventListener("click", () => {
      this.#change({ sort, reverse: options.sort === sort && !options.reverse });
    });
    return button;
  }

  #change(changes) {
    setOptions(changes);
    this.update();
  }

  /** Show the options as they are now. */
  update() {
    if (this.filter.value !== options.filter) {
      this.filter.value = options.filter; // else the caret would move
    }
    this.sortedAt = 0;
    this.repaint();
  }

  /** Move the focus among the nodes; `to` maps the old index to the new one. */
  #moveFocus(to) {
    const links = [...this.list.querySelectorAll("a.title")];
    const at = links.indexOf(document.activeElement);
    if (at < 0) {
      return false;
    }
    links[Math.min(links.length - 1, Math.max(0, to(at)))].focus();
    return true;
  }
}
