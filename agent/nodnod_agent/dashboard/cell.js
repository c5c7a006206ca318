// A cell: a column of one node, in its row or card. The style sheet tells these apart.

import { el, mark, unseen, write } from "./dom.js";
import { Sparkline } from "./sparkline.js";
import { rate } from "./units.js";

const SUFFIXES = { high: " (high)", critical: " (critical)" };

export class Cell {
  constructor(kind, column) {
    this.column = column;
    this.element = el("div", { class: `cell ${kind}` }, el("span", { class: "label" }, column.word));
    if (column.share !== undefined) {
      this.fill = el("i", {});
      this.#add(el("span", { class: "bar", "aria-hidden": "true" }, this.fill));
      mark(this.element, "data-bar", "");
    }
    if (column.parts === undefined) {
      this.value = el("span", { class: "value" });
      this.grade = unseen("");
      this.#add(this.value, this.grade);
    } else {
      mark(this.element, "data-flow", "");
      this.parts = Object.entries(column.parts).map(([field, { sign, title, word }]) => {
        const value = el("span", { class: "value" });
        this.#add(el("span", { class: "direction", title }, sign, unseen(word)), value);
        return { field, value };
      });
    }
    if (column.note !== undefined) {
      this.note = el("span", { class: "extent" });
      this.#add(this.note);
    }
    if (column.line !== undefined) {
      this.line = new Sparkline(column.top);
      this.#add(this.line.element);
    }
  }

  /** Show the node as of `now`. The line ends at `heard`, when the newest answer came. */
  paint(node, now, heard) {
    const { column } = this;
    if (this.parts === undefined) {
      this.#paintValue(node, now);
    } else {
      for (const { field, value } of this.parts) {
        write(value, rate(node.recent[field]));
      }
    }
    if (this.note !== undefined) {
      write(this.note, column.note(node));
    }
    this.line?.paint(node.series[column.line], heard);
  }

  #paintValue(node, now) {
    const { column } = this;
    const text = column.text(node, now);
    if (text === this.value.written) {
      return;
    }
    write(this.value, text);
    const share = column.share?.(node) ?? null;
    if (column.level !== undefined) {
      const value = share ?? column.value(node, now);
      const grade = column.level(value ?? NaN, node);
      mark(this.element, "data-level", grade);
      write(this.grade, SUFFIXES[grade] ?? "");
    }
    if (this.fill !== undefined) {
      this.fill.style.transform = `scaleX(${Math.min(100, share ?? 0) / 100})`;
    }
  }

  #add(...elements) {
    this.element.append(...elements);
  }
}
