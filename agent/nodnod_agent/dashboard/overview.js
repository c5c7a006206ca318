// The overview: the sums, and every node as a card or a row.

import { Card } from "./card.js";
import { choices, choose } from "./choices.js";
import { arrange, el, icon, mark, show, unseen, write } from "./dom.js";
import { SORTS, inOrder } from "./order.js";
import { Totals } from "./totals.js";
import { count, moment } from "./units.js";

/** Seconds for which the order stands: rows that jump every second cannot be read. */
const STANDING = 3;
/** So many nodes and more are shown as rows, where the viewer has not chosen. */
const MANY = 25;

export class Overview {
  constructor(cluster, repaint) {
    this.cluster = cluster;
    this.repaint = repaint;
    this.cards = new Map();
    this.state = null;
    this.sortedAt = 0;
    this.totals = new Totals((state) => this.#again(() => (this.state = state)));
    this.list = el("ul", { class: "nodes", "aria-label": "Nodes" });
    this.list.addEventListener("keydown", (event) => this.#walk(event));
    this.empty = el("p", { class: "empty" });
    this.left = el("p", { class: "left" });
    this.element = el(
      "div",
      { class: "overview" },
      this.totals.element,
      this.#bar(),
      this.list,
      this.empty,
      this.left,
    );
  }

  /** Show the cluster as it is at `now`. */
  paint(now) {
    const { cluster, cards } = this;
    const fitting = cluster.nodes.size >= MANY ? "rows" : "cards";
    const chosen = choices.density === "auto" ? fitting : choices.density;
    mark(this.list, "data-density", chosen);
    mark(this.heads, "data-density", chosen);
    for (const [density, button] of Object.entries(this.densities)) {
      mark(button, "aria-pressed", String(density === chosen));
    }
    mark(this.element, "data-loading", cluster.heard === null ? "" : null);
    if (cluster.heard === null) {
      return;
    }
    this.totals.paint(cluster, this.state);
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
      cards.get(name).paint(node, now, cluster.heard);
    }
    this.#sort(now);
    this.#sayLeft();
  }

  /** The link of a node, to put the focus back on. */
  linkOf(name) {
    return this.cards.get(name)?.link;
  }

  #sort(now) {
    // Nor may they jump while somebody goes through them by keyboard.
    const held = this.list.contains(document.activeElement) && this.sortedAt > 0;
    if (held || Math.abs(now - this.sortedAt) < STANDING) {
      return;
    }
    this.sortedAt = now;
    const text = this.filter.value;
    const wanted = { ...choices, text, state: this.state };
    const shown = inOrder([...this.cluster.nodes.values()], wanted);
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    arrange(this.list, shown.map(({ name }) => this.cards.get(name).element));
    focused?.focus({ preventScroll: true });
    for (const [sort, button] of Object.entries(this.sorts)) {
      const way = choices.sort === sort ? (choices.reverse ? "reverse" : "forward") : null;
      mark(button, "data-way", way);
      mark(button, "aria-pressed", String(way !== null));
    }
    show(this.empty, shown.length === 0);
    const unnamed = `No node’s name has “${text}” in it.`;
    write(this.empty, this.state === null ? unnamed : "No such node just now.");
    const all = this.cluster.nodes.size;
    const part = shown.length === all ? "" : `${shown.length} of `;
    write(this.shown, part + count(all, "node"));
  }

  #sayLeft() {
    const { left, offset } = this.cluster;
    show(this.left, left.length > 0);
    const said = left.slice(0, 10).map(({ name, since }) => `${name} at ${moment(since - offset)}`);
    const more = left.length > 10 ? ` and ${left.length - 10} more` : "";
    write(this.left, `Left on purpose: ${said.join(", ")}${more}.`);
  }

  #bar() {
    this.filter = el("input", {
      type: "search",
      id: "filter",
      placeholder: "Filter by name",
      "aria-label": "Filter by name",
      "aria-keyshortcuts": "/",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.filter.addEventListener("input", () => this.#again());
    this.shown = el("span", { class: "shown" });
    this.densities = {
      cards: this.#density("cards", "Cards"),
      rows: this.#density("rows", "Rows"),
    };
    const group = { class: "densities", role: "group", "aria-label": "Show nodes as" };
    const densities = el("div", group, ...Object.values(this.densities));
    this.sorts = Object.fromEntries(Object.keys(SORTS).map((sort) => [sort, this.#sorter(sort)]));
    const sorts = { class: "heads", role: "group", "aria-label": "Sort by" };
    const past = el("span", { class: "head by-past" }, "CPU, 5 min");
    this.heads = el("div", sorts, ...Object.values(this.sorts), past);
    const tools = el("div", { class: "tools" }, this.filter, this.shown, densities);
    return el("div", { class: "bar-of-list" }, tools, this.heads);
  }

  #density(density, word) {
    const button = el("button", { type: "button", class: "quiet", title: word }, icon(density));
    button.append(unseen(word));
    button.addEventListener("click", () => this.#again(() => choose({ density })));
    return button;
  }

  #sorter(sort) {
    const button = el("button", { type: "button", class: `head by-${sort}` }, SORTS[sort].word);
    button.addEventListener("click", () => {
      const reverse = choices.sort === sort && !choices.reverse;
      this.#again(() => choose({ sort, reverse }));
    });
    return button;
  }

  #again(change = () => {}) {
    change();
    this.sortedAt = 0;
    this.repaint();
  }

  /** The arrow keys go from node to node. */
  #walk(event) {
    const links = [...this.list.querySelectorAll("a.title")];
    const at = links.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (at >= 0 && to !== undefined) {
      event.preventDefault();
      links[Math.min(links.length - 1, Math.max(0, to))].focus();
    }
  }
}
