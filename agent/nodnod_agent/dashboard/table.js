// A table that reuses its rows at every tick.

import { arrange, el, mark, show, write } from "./dom.js";

export class Table {
  /**
   * `columns`: `{ head, of, kind, bar, level }`. `head` is the title, `of(row)` the text, `kind`
   * the CSS class. For a column with a bar, `bar(row)` is its share in percent and `level` its level.
   */
  constructor(caption, columns, none = "None.") {
    this.columns = columns;
    this.body = el("tbody", {});
    this.rows = [];
    this.none = el("p", { class: "note" }, none);
    const heads = columns.map(({ head, kind = "" }) =>
      el("th", { scope: "col", class: kind }, head),
    );
    this.table = el(
      "table",
      {},
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, ...heads)),
      this.body,
    );
    this.element = el("div", { class: "table" }, this.table, this.none);
  }

  /** Show these rows. */
  paint(rows) {
    while (this.rows.length < rows.length) {
      this.rows.push(new Row(this.columns));
    }
    rows.forEach((row, i) => this.rows[i].paint(row));
    arrange(this.body, this.rows.slice(0, rows.length).map(({ element }) => element));
    show(this.none, rows.length === 0);
    show(this.table, rows.length > 0);
  }
}

class Row {
  constructor(columns) {
    this.cells = columns.map(({ kind = "", of, bar, level }) => {
      const text = el("span", {});
      const fill = bar === undefined ? null : el("i", {});
      const cell = el("td", { class: kind }, text);
      if (fill !== null) {
        cell.prepend(el("span", { class: "bar", "aria-hidden": "true" }, fill));
      }
      return { cell, text, fill, of, bar, level };
    });
    this.element = el("tr", {}, ...this.cells.map(({ cell }) => cell));
  }

  paint(row) {
    for (const { cell, text, fill, of, bar, level } of this.cells) {
      const content = of(row);
      if (content !== text.written) {
        write(text, content);
        cell.title = content;
        mark(cell, "data-trouble", content.startsWith("▲") ? "" : null);
      }
      if (fill !== null) {
        const share = bar(row) ?? 0;
        fill.style.transform = `scaleX(${Math.min(100, share) / 100})`;
        mark(cell, "data-level", level === undefined ? "ok" : level(share));
      }
    }
  }
}
