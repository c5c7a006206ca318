// Gauges: labelled bars for the cores, the parts of memory and the pressure on resources.

import { arrange, el, mark, write } from "./dom.js";
import { level } from "./level.js";
import { bytes, known, percent } from "./units.js";

/** More bars than this are shown without labels. */
const MANY = 24;

/** Bars with a name and a number each. Elements are reused at every tick. */
class Gauges {
  constructor(kind) {
    this.list = el("ul", { class: `gauges ${kind}` });
    this.items = [];
  }

  /** `rows`: `{ name, share, text }`. */
  paint(rows) {
    while (this.items.length < rows.length) {
      const item = {
        name: el("span", { class: "label" }),
        fill: el("i", {}),
        value: el("span", { class: "value" }),
      };
      const bar = el("span", { class: "bar", "aria-hidden": "true" }, item.fill);
      item.element = el("li", {}, item.name, " ", bar, item.value);
      this.items.push(item);
    }
    rows.forEach(({ name, share, text }, i) => {
      const item = this.items[i];
      write(item.name, name);
      write(item.value, text);
      item.fill.style.transform = `scaleX(${Math.min(100, Math.max(0, share ?? 0)) / 100})`;
      mark(item.element, "data-level", level(share ?? NaN));
      mark(item.element, "title", `${name}: ${text}`);
    });
    mark(this.list, "data-many", rows.length > MANY ? "" : null);
    arrange(this.list, this.items.slice(0, rows.length).map(({ element }) => element));
  }
}

export class Cores {
  constructor() {
    this.gauges = new Gauges("cores");
    this.split = el("p", { class: "note" });
    this.element = el("div", {}, this.gauges.list, this.split);
  }

  paint({ used, user, system, iowait, steal, cores, frequency }) {
    // The number of a core is its place; an offline one has no share.
    const rows = cores
      .map((share, i) => ({ name: String(i), share, text: `${share?.toFixed(0)}\u00a0%` }))
      .filter(({ share }) => known(share));
    // Under a CPU limit the cores are unknown: one bar shows the share of the limit.
    const limit = { name: "limit", share: used, text: percent(used) };
    this.gauges.paint(rows.length > 0 ? rows : [limit]);
    const shares = { user, system, "waiting for I/O": iowait, stolen: steal };
    const parts = Object.entries(shares)
      .filter(([, share]) => known(share))
      .map(([name, share]) => `${name} ${percent(share)}`);
    const clock = known(frequency) ? [`${(frequency / 1000).toFixed(2)}\u00a0GHz`] : [];
    write(this.split, [...parts, ...clock].join(" · "));
  }
}

export class MemoryParts {
  constructor() {
    this.gauges = new Gauges("parts");
    this.element = this.gauges.list;
  }

  paint({ total, used, available, cached, buffers, swapTotal, swapUsed }) {
    const row = (name, size, whole) => ({
      name,
      share: whole > 0 ? (100 * size) / whole : null,
      text: bytes(size),
    });
    const rows = [row("Used", used, total), row("Available", available, total)];
    rows[1].calm = true;
    if (known(cached)) {
      rows.push({ ...row("Cached", cached, total), calm: true });
    }
    if (known(buffers)) {
      rows.push({ ...row("Buffers", buffers, total), calm: true });
    }
    if (swapTotal > 0) {
      const text = `${bytes(swapUsed)} of ${bytes(swapTotal)}`;
      rows.push({ ...row("Swap", swapUsed, swapTotal), text });
    }
    this.gauges.paint(rows);
    rows.forEach(({ calm }, i) => calm && mark(this.gauges.items[i].element, "data-level", "calm"));
  }
}

export class Pressure {
  constructor() {
    this.gauges = new Gauges("parts");
    const note = "Share of time in which some (all) work had to wait for it.";
    this.element = el("div", {}, this.gauges.list, el("p", { class: "note" }, note));
  }

  paint(section) {
    const names = { cpu: "CPU", memory: "Memory", io: "I/O" };
    const rows = Object.entries(names)
      .filter(([kind]) => section[kind])
      .map(([kind, name]) => {
        const { some, full } = section[kind];
        const all = known(full) ? ` (${percent(full)})` : "";
        return { name, share: some, text: `${percent(some)}${all}` };
      });
    this.gauges.paint(rows);
  }
}
