// The view that compares nodes: a chart for each number, with a line for each node.

import { binaryTop, roundTop } from "./axis.js";
import { Board } from "./board.js";
import { arrange, changeIcon, el, icon, mark, show, unseen, write } from "./dom.js";
import { beginnings, writeName } from "./elide.js";
import { swatch } from "./legend.js";
import { options, setOptions } from "./options.js";
import { linkTo, pattern } from "./route.js";
import { STATES } from "./state.js";
import { number, percent, rate } from "./units.js";

/** As many lines as can be told apart. */
const MOST = 8;

/** The charts: title, field of the history, unit and upper edge. */
const CHARTS = [
  ["CPU", "cpuUsed", percent, 100],
  ["Memory", "memoryUsedPercent", percent, 100],
  ["Network, received", "recvBytes", rate, binaryTop(1024)],
  ["Network, sent", "sentBytes", rate, binaryTop(1024)],
  ["Disk, read", "readBytes", rate, binaryTop(1024)],
  ["Disk, written", "writeBytes", rate, binaryTop(1024)],
  ["Load, 1 min", "load1", number, roundTop(1)],
];

export class CompareView {
  constructor({ cluster, alerts, connection, repaint }) {
    Object.assign(this, { cluster, connection, repaint });
    this.page = "compare";
    this.end = null;
    this.looks = new Map(); // node -> the class of its lines, which it keeps
    this.chips = new Map(); // node -> its chip
    this.title = el("h1", { tabindex: "-1" }, "Compare");
    this.list = el("ul", { class: "compared", "aria-label": "Compared nodes" });
    this.choices = el("datalist", { id: "compare-choices" });
    this.input = el("input", {
      type: "search",
      list: "compare-choices",
      placeholder: "Add a node",
      "aria-label": "Add a node",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.input.addEventListener("focus", () => this.#listChoices());
    this.input.addEventListener("input", () => this.#type());
    this.input.addEventListener("change", () => this.#add());
    this.news = el("p", { class: "note", role: "status" });
    this.grid = el("div", { class: "panels" });
    this.board = new Board({
      ...{ cluster, alerts, connection, repaint },
      names: [],
      plan: (names, records) => this.#plan(names, records),
    });
    const { bar, note } = this.board;
    this.element = el(
      "article",
      { class: "node-view compare" },
      el("a", { class: "back", href: "#/" }, icon("back"), "All nodes"),
      el("header", { class: "name-row" }, this.title),
      el("div", { class: "compare-nodes" }, this.list, this.input),
      this.news,
      el("div", {}, bar.element, bar.details, note, this.grid),
    );
    this.#setNodes();
  }

  /** What the title of the page says. */
  get name() {
    return ["Compare", this.board.names.join(", ")].join(" ").trim();
  }

  /** Start the stream of the nodes' numbers. It runs only while this view is open. */
  open() {
    this.#stream();
    this.board.open();
  }

  close() {
    this.end?.();
    this.end = null;
    this.board.close();
  }

  /** Request the past, after the connection was lost. */
  requestHistory() {
    this.board.requestHistory();
  }

  /** Show the options as they are now. */
  update() {
    if (JSON.stringify(chosen()) !== JSON.stringify(this.board.names)) {
      this.#setNodes();
      this.close();
      this.open();
    }
    this.repaint();
  }

  /** Show the nodes as of `now`. */
  paint(now) {
    const { board, cluster } = this;
    mark(this.element, "data-loading", cluster.heard === null ? "" : null);
    if (cluster.heard === null) {
      return;
    }
    for (const [name, chip] of this.chips) {
      chip.paint(cluster.nodes.get(name));
    }
    if (board.names.length > 0) {
      board.paint(now);
    }
  }

  #stream() {
    const { names } = this.board;
    if (names.length > 0) {
      const request = { type: 1, nodes: names.map(pattern), history: 5, every: 1 };
      this.end = this.connection.stream("compared", request, (answer) => this.board.update(answer));
    }
  }

  #setNodes() {
    const names = chosen();
    for (const name of this.looks.keys()) {
      if (!names.includes(name)) {
        this.looks.delete(name);
      }
    }
    const all = Array.from({ length: MOST }, (_, i) => `c${i + 1}`);
    for (const name of names) {
      const free = all.find((look) => ![...this.looks.values()].includes(look));
      this.looks.set(name, this.looks.get(name) ?? free);
    }
    this.board.setNodes(names);
    const cuts = beginnings(names);
    this.chips = new Map(
      names.map((name) => [name, new Chip(name, this.looks.get(name), cuts.get(name), () => this.#remove(name))]),
    );
    arrange(this.list, [...this.chips.values()].map(({ element }) => element));
    arrange(this.grid, names.length === 0 ? [] : this.board.charts.map(({ element }) => element));
    show(this.board.bar.element, names.length > 0);
    show(this.input, names.length < MOST);
    const few = names.length === 0 ? "Add two nodes or more." : "Add a node to compare it with.";
    write(this.news, names.length < 2 ? few : "");
    show(this.news, names.length < 2);
  }

  #plan(names, records) {
    const cuts = beginnings(names);
    return CHARTS.map(([title, field, unit, top]) => ({
      ...{ title, unit, top },
      lines: names.map((name) => ({
        ...{ name, node: name, field, look: this.looks.get(name), cut: cuts.get(name) },
        record: records.get(name),
      })),
    }));
  }

  #listChoices() {
    this.choices.replaceChildren(...this.#others().map((value) => el("option", { value })));
    this.input.after(this.choices);
  }

  /** The nodes that are not compared. */
  #others() {
    return [...this.cluster.nodes.keys()].filter((name) => !this.board.names.includes(name));
  }

  /** Add the node whose name was typed, unless that may be the beginning of another one. */
  #type() {
    if (this.#others().filter((name) => name.startsWith(this.input.value)).length === 1) {
      this.#add();
    }
  }

  #add() {
    const name = this.input.value;
    if (this.#others().includes(name)) {
      this.input.value = "";
      this.#change([...this.board.names, name]);
      this.#listChoices();
    }
  }

  #remove(name) {
    this.#change(this.board.names.filter((one) => one !== name));
    (this.list.querySelector("button") ?? this.input).focus();
  }

  #change(node) {
    setOptions({ node });
    this.update();
  }
}

class Chip {
  constructor(name, look, cut, onremove) {
    this.icon = icon("up");
    const link = el("a", { href: linkTo(name), title: name });
    mark(link, "data-long", cut > 0 ? "" : null);
    writeName(link, name, cut);
    const remove = el("button", { type: "button", class: "quiet" }, icon("close"));
    remove.append(unseen(`Remove ${name}`));
    remove.addEventListener("click", onremove);
    this.element = el("li", {}, this.icon, swatch(look), link, remove);
  }

  paint(node) {
    const state = node?.state ?? "down";
    mark(this.element, "data-state", state);
    changeIcon(this.icon, state);
    mark(this.element, "title", node === undefined ? "Unknown" : STATES[state].word);
  }
}

/** The nodes of the address, each once. */
function chosen() {
  return [...new Set(options.node)].slice(0, MOST);
}
