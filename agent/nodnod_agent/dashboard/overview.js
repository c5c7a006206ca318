// The overview: the totals, and every node as a card, a row, or a square of the heat map.

import { Card } from "./card.js";
import { COLUMNS, tableOf } from "./nodecolumns.js";
import { csvText } from "./csv.js";
import { el, mark, show, write } from "./dom.js";
import { download, fileName } from "./download.js";
import { beginnings, writeName } from "./elide.js";
import { EventList } from "./events.js";
import { Groups } from "./groups.js";
import { HeatScale, Square, Tip, squareSize } from "./heat.js";
import { listen } from "./keys.js";
import { ListBar } from "./listbar.js";
import { options, setOptions } from "./options.js";
import { byName, inOrder, matching, tagKeys } from "./order.js";
import { cardHeight, rowFit } from "./rowfit.js";
import { Sums } from "./sums.js";
import { Totals } from "./totals.js";
import { count, moment } from "./units.js";

/** Seconds between two sorts: rows that move every second cannot be read. */
const SORT_INTERVAL = 3;
/** From this many nodes on, rows are the default. */
const ROWS_FROM = 25;
const CARD_GAP = 0.35; // rem, as in the style sheet
const ROW_PADDING = 1.8;
const BELOW_SQUARES = 20; // pixels
const GROUP_HEAD = 60;
/** Seconds between two answers with a section; a line bridges so much. */
const SECTION_INTERVAL = 3;

export class Overview {
  constructor({ cluster, alerts, connection, repaint }) {
    Object.assign(this, { cluster, alerts, connection, repaint });
    this.items = new Map(); // name -> card
    this.byName = []; // the nodes
    this.matching = [];
    this.columns = [];
    this.filtered = { sums: new Sums(), of: null };
    this.sortedAt = 0;
    this.width = 0;
    this.sections = new Map(); // section of detail -> what ends its stream
    const change = (changes) => this.#change(changes);
    this.totals = new Totals((state) => change({ state: state ?? "" }));
    this.bar = new ListBar(change, () => this.#save());
    this.groups = new Groups((name) => change({ closed: toggled(options.closed, name) }));
    this.heatScale = new HeatScale(change);
    const list = this.groups.element;
    this.tip = new Tip(list);
    this.tip.onmove = () => this.#paintTip();
    listen(list, "list", {
      next: () => this.#moveFocus((at, links) => this.#below(at, links, 1)),
      previous: () => this.#moveFocus((at, links) => this.#below(at, links, -1)),
      first: () => this.#moveFocus(() => 0),
      last: () => this.#moveFocus(() => Infinity),
      left: () => this.density === "heat" && this.#moveFocus((at) => at - 1),
      right: () => this.density === "heat" && this.#moveFocus((at) => at + 1),
      pin: () => this.#toggle("pinned", document.activeElement),
      pick: () => this.#toggle("picked", document.activeElement),
    });
    list.addEventListener("click", ({ target }) => {
      const option = target.closest("[data-toggles]")?.dataset.toggles;
      if (option !== undefined) {
        this.#toggle(option, target);
      }
    });
    list.addEventListener("pointerdown", () => {
      this.wasSelected = !getSelection().isCollapsed;
    });
    list.addEventListener("click", (event) => this.#open(event));
    new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect.width)).observe(list);
    this.empty = el("p", { class: "empty" });
    this.left = el("p", { class: "departed" });
    this.events = new EventList();
    this.element = el(
      "div",
      { class: "overview" },
      el("h1", { class: "unseen" }, "All nodes"),
      this.totals.element,
      this.bar.element,
      this.heatScale.element,
      list,
      this.tip.element,
      this.empty,
      this.left,
      this.events.element,
    );
    addEventListener("beforeprint", () => this.#paintItems(this.items.values()));
  }

  /** Whether the filter is to have the focus. */
  get filter() {
    return this.bar.filter;
  }

  /** Begin to request what only some columns show. */
  open() {
    this.isOpen = true;
    this.#stream();
  }

  /** End that. */
  close() {
    this.isOpen = false;
    this.#stream();
  }

  /** Show the cluster as of `now`. */
  paint(now) {
    const { cluster, items } = this;
    this.now = now;
    const automatic = cluster.nodes.size >= ROWS_FROM ? "rows" : "cards";
    this.density = options.density === "auto" ? automatic : options.density;
    this.#useItems(this.density === "heat" ? Square : Card);
    mark(this.element, "data-loading", cluster.heard === null ? "" : null);
    this.#layOut();
    if (cluster.heard === null) {
      return;
    }
    this.#keepItems();
    this.#sum();
    const pinned = new Set(options.pinned);
    const picked = new Set(options.picked);
    for (const [name, item] of items) {
      item.update(cluster.nodes.get(name), pinned.has(name), picked.has(name));
    }
    this.#sort();
    this.groups.paint(this.density);
    this.#paintTip();
    this.#paintItems([...items.values()].filter(({ inSight }) => inSight));
    this.#paintLeft();
  }

  /** Show the options as they are now. */
  update() {
    this.sortedAt = 0;
    this.#stream();
    this.repaint();
  }

  /** The link of a node, to return the focus to. */
  linkOf(name) {
    return this.items.get(name)?.link;
  }

  /** Let the items be of this class. */
  #useItems(Item) {
    if (Item !== this.Item) {
      this.Item = Item;
      this.items.clear();
      this.sortedAt = 0;
    }
  }

  /** An item for each node. */
  #keepItems() {
    const { cluster, items } = this;
    const before = items.size;
    const gone = [...items.keys()].filter((name) => !cluster.nodes.has(name));
    gone.forEach((name) => items.delete(name));
    for (const name of cluster.nodes.keys()) {
      if (!items.has(name)) {
        items.set(name, new this.Item(name, (item) => this.#paintItems([item])));
      }
    }
    if (gone.length > 0 || items.size > before) {
      this.sortedAt = 0;
      this.byName = byName(cluster.nodes.values());
      for (const [name, at] of this.Item === Card ? beginnings(items.keys()) : []) {
        writeName(items.get(name).link, name, at);
      }
    }
  }

  /** The totals of the nodes that fit the filter. */
  #sum() {
    const { cluster, filtered } = this;
    this.matching = matching(this.byName, options);
    const whole = this.matching.length === this.byName.length;
    if (!whole) {
      const of = [cluster.fills, ...this.matching.map(({ name }) => name)].join("\n");
      if (filtered.of !== of) {
        filtered.of = of;
        filtered.sums.fill(this.matching, cluster.heard);
      }
      filtered.sums.update(this.matching, cluster.heard);
    }
    const sums = whole ? cluster.sums : filtered.sums;
    this.totals.paint(sums, cluster.heard, whole ? null : cluster.nodes.size, options.state);
  }

  #sort() {
    // Rows do not move while the keyboard focus is among them.
    const { now } = this;
    const held = this.groups.element.contains(document.activeElement) && this.sortedAt > 0;
    if (held || Math.abs(now - this.sortedAt) < SORT_INTERVAL) {
      return;
    }
    this.sortedAt = now;
    const all = this.matching.filter(({ state }) => options.state === "" || state === options.state);
    const shown = inOrder(all, options, { alerts: this.alerts, now });
    this.shown = shown;
    this.groups.arrange(shown, options, ({ name }) => this.items.get(name).element);
    this.bar.paint(tagKeys(this.byName));
    show(this.empty, shown.length === 0);
    const noMatch = `No node’s name or tag fits “${options.filter.trim()}”.`;
    write(this.empty, options.state === "" ? noMatch : "No such node just now.");
    const part = shown.length === this.byName.length ? "" : `${shown.length} of `;
    write(this.bar.shown, part + count(this.byName.length, "node"));
  }

  #paintItems(items) {
    const { cluster, alerts, columns, now } = this;
    const context = { now, heard: cluster.heard, alerts, columns, heat: options.heat };
    for (const item of items) {
      const node = cluster.nodes.get(item.name);
      if (node !== undefined) {
        item.paint(node, context);
      }
    }
  }

  #paintTip() {
    const { cluster, alerts, now } = this;
    this.tip.paint(cluster.nodes, { now, alerts, heat: options.heat });
  }

  /** Let the style sheet know of the columns and the density. */
  #layOut() {
    const isHeat = this.density === "heat";
    show(this.heatScale.element, isHeat);
    this.heatScale.paint(options.heat);
    const squares = isHeat ? [this.cluster.nodes.size, innerHeight, this.groups.shown?.length] : [];
    const key = [this.density, this.width, ...squares, ...options.columns].join();
    if (key === this.laidOut) {
      return;
    }
    this.laidOut = key;
    const { style } = this.element;
    if (isHeat) {
      style.setProperty("--square", `${this.#squareSize()}px`);
    }
    this.columns = Object.keys(COLUMNS).filter((name) => options.columns.includes(name));
    this.bar.layOut(this.columns, this.density);
    const { fit, names, tracks } = rowFit(this.columns, this.width);
    mark(this.element, "data-fit", fit);
    style.setProperty("--names", names);
    style.setProperty("--tracks", tracks);
    style.setProperty("--card-height", `${cardHeight(this.columns, CARD_GAP).toFixed(2)}rem`);
  }

  /** So large that all squares are on the screen, if that is possible. */
  #squareSize() {
    const { element, shown = [] } = this.groups;
    const { top, width } = element.getBoundingClientRect();
    const height = innerHeight - (top + scrollY) - BELOW_SQUARES - (shown.length - 1) * GROUP_HEAD;
    return squareSize(this.cluster.nodes.size, width, height);
  }

  #resize(width) {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.width = width / rem - ROW_PADDING;
    this.repaint();
  }

  /** Let those streams run that bring what the columns show. */
  #stream() {
    const columns = options.density === "heat" ? [options.heat] : options.columns;
    const shown = this.isOpen ? columns : [];
    const wanted = new Set(shown.map((name) => COLUMNS[name].section).filter(Boolean));
    for (const [section, end] of this.sections) {
      if (!wanted.has(section)) {
        end();
        this.sections.delete(section);
      }
    }
    for (const section of wanted) {
      if (!this.sections.has(section)) {
        const request = { type: 1, detail: [section], every: SECTION_INTERVAL };
        const end = this.connection.stream(section, request, (answer) => {
          this.cluster.updateSections(answer, Date.now() / 1000);
        });
        this.sections.set(section, end);
      }
    }
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

  #change(changes) {
    setOptions(changes);
    this.update();
  }

  /** Open the node that was clicked, wherever in its card, unless the click was about a selection. */
  #open({ target, ctrlKey, metaKey, shiftKey }) {
    const link = target.closest(".node")?.querySelector("a.title");
    const selected = this.wasSelected || !getSelection().isCollapsed;
    if (link && target.closest("a, button") === null && !selected) {
      // The browser opens a new tab if these keys say so.
      link.dispatchEvent(new MouseEvent("click", { ctrlKey, metaKey, shiftKey, cancelable: true }));
    }
  }

  /** Pin the node of an element, or pick it, or undo that. */
  #toggle(option, element) {
    const { node: name } = element.closest("[data-node]").dataset;
    this.#change({ [option]: toggled(options[option], name) });
  }

  /** Save what is shown as a file. */
  #save() {
    const shown = this.density === "heat" ? [options.heat] : this.columns;
    const text = csvText(tableOf(this.shown, shown));
    download(text, "text/csv", fileName(["nodes"], this.now, "csv"));
  }

  /** Move the focus among the nodes; `to` maps the old index to the new one. */
  #moveFocus(to) {
    const links = [...this.groups.element.querySelectorAll("a.title")];
    const at = links.indexOf(document.activeElement);
    if (at < 0) {
      return false;
    }
    links[Math.min(links.length - 1, Math.max(0, to(at, links)))].focus();
    return true;
  }

  /** The index of the link below (`step` 1) or above (-1); in the heat map, of the nearest one. */
  #below(at, links, step) {
    if (this.density !== "heat") {
      return at + step;
    }
    const from = links[at].getBoundingClientRect();
    let row = null; // the top of the next row of squares
    let nearest = at;
    for (let i = at + step; i >= 0 && i < links.length; i += step) {
      const { top, left } = links[i].getBoundingClientRect();
      if (top !== from.top) {
        row ??= top;
        if (top !== row) {
          break;
        }
        const distance = Math.abs(left - from.left);
        const best = nearest === at ? Infinity : Math.abs(links[nearest].getBoundingClientRect().left - from.left);
        nearest = distance < best ? i : nearest;
      }
    }
    return nearest;
  }
}

function toggled(list, one) {
  return list.includes(one) ? list.filter((other) => other !== one) : [...list, one];
}
