// The totals above the nodes. The counts by state are buttons that filter by it.

import { el, icon, mark, write } from "./dom.js";
import { level } from "./level.js";
import { Sparkline } from "./sparkline.js";
import { STATES } from "./state.js";
import { count, number, partOf, percent, rate } from "./units.js";

export class Totals {
  /** `onstate` is called with the state to filter by, or null for all. */
  constructor(onstate) {
    this.nodes = new Tile("Nodes", null);
    this.cpu = new Tile("CPU", new Sparkline(100));
    this.memory = new Tile("Memory", new Bar());
    this.disk = new Tile("Disk", new Bar());
    this.network = new Tile("Network", new Sparkline(null));
    this.counts = {};
    const group = { class: "states", role: "group", "aria-label": "Show only nodes that are" };
    const states = el("div", group);
    for (const [state, { word }] of Object.entries(STATES).reverse()) {
      const text = el("span", {});
      const kind = { type: "button", class: "state", "data-state": state };
      const button = el("button", kind, icon(state), text);
      button.addEventListener("click", () => {
        const pressed = button.getAttribute("aria-pressed") === "true";
        onstate(pressed ? null : state);
      });
      states.append(button);
      this.counts[state] = { button, text, word: word.toLowerCase() };
    }
    this.nodes.element.append(states);
    this.element = el(
      "section",
      { class: "totals", "aria-label": "The whole cluster" },
      ...[this.nodes, this.cpu, this.memory, this.disk, this.network].map((tile) => tile.element),
    );
  }

  /**
   * Show these sums, as of `heard`. `all` is how many nodes there are if a filter leaves some of them
   * out, else null; `selected` is the state to filter by, or empty.
   */
  paint(sums, heard, all, selected) {
    const { totals } = sums;
    mark(this.element, "aria-label", all === null ? "The whole cluster" : "The nodes that fit the filter");
    mark(this.element, "data-filtered", all === null ? null : "");
    this.nodes.paint(String(totals.nodes), missing(totals, all));
    for (const [state, { button, text, word }] of Object.entries(this.counts)) {
      const nodes = totals.states[state];
      write(text, `${nodes} ${word}`);
      mark(button, "aria-pressed", String(selected === state));
      mark(button, "data-none", nodes === 0 ? "" : null);
    }
    this.cpu.paint(percent(totals.cpu), totals.busy === null ? "" : busy(totals));
    this.cpu.drawing.paint(sums.cpu, heard);
    this.#share(this.memory, totals.memoryUsed, totals.memoryTotal);
    this.#share(this.disk, totals.diskUsed, totals.diskTotal);
    const flow = totals.recv === null ? null : totals.recv + totals.sent;
    const directions = `↓ ${rate(totals.recv)} ↑ ${rate(totals.sent)}`;
    this.network.paint(rate(flow), flow === null ? "" : directions);
    this.network.drawing.paint(sums.traffic, heard);
    for (const tile of [this.cpu, this.memory, this.disk]) {
      mark(tile.element, "data-counted", totals.counted === 0 ? "none" : null);
    }
  }

  #share(tile, used, total) {
    const share = total > 0 ? (100 * used) / total : null;
    tile.paint(percent(share), partOf(used, total));
    tile.drawing.paint(share);
  }
}

class Tile {
  constructor(label, drawing) {
    this.value = el("span", { class: "value" });
    this.note = el("span", { class: "note" });
    this.drawing = drawing;
    this.element = el(
      "div",
      { class: "tile" },
      el("div", { class: "tile-head" }, el("h2", { class: "label" }, label), this.note),
      el("p", {}, this.value),
      ...(drawing === null ? [] : [drawing.element]),
    );
  }

  paint(value, note) {
    write(this.value, value);
    write(this.note, note);
  }
}

class Bar {
  constructor() {
    this.fill = el("i", {});
    const bar = el("span", { class: "bar", "aria-hidden": "true" }, this.fill);
    this.element = el("div", { class: "meter" }, bar);
  }

  paint(share) {
    this.fill.style.transform = `scaleX(${Math.min(100, share ?? 0) / 100})`;
    mark(this.element, "data-level", level(share ?? NaN));
  }
}

function busy({ busy: cores, cores: all }) {
  return `${number(cores)} of ${count(all, "core")}`;
}

function missing({ nodes, counted }, all) {
  const filtered = all === null ? [] : [`of ${all}, as filtered`];
  return [...filtered, ...(counted < nodes ? [`numbers from ${counted}`] : [])].join(", ");
}
