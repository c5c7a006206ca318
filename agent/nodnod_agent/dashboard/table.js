// A table that can be sorted, and reuses its rows at every tick.

import { fitting } from "./columns.js";
import { arrange, el, mark, show, write } from "./dom.js";
import { beginnings, writeName } from "./elide.js";
import { inOrder, isUnknown, orderOf, setOrder } from "./tableoptions.js";

/** Seconds between two sorts: rows that move every second cannot be read. */
const SORT_INTERVAL = 3;
/** Where the pointer is; a finger is nowhere once it has tapped. */
const POINTED = matchMedia("(hover: hover)").matches ? ":hover" : ":active";
/** Rows that are drawn. */
const MOST = 200;

export class Table {
  /**
   * `id` is its name among the options. `order` is that at first (see `orderOf`; empty: as the rows
   * come), `note(row)` a text below the first cell of a row, and `key(row)` what tells rows apart.
   */
  constructor(id, caption, columns, { order = "", note = () => "", key = columns[0].of } = {}) {
    Object.assign(this, { id, columns, note, key, initial: order });
    this.body = el("tbody", {});
    this.rows = [];
    this.sorted = null; // the order that they have
    this.fitted = null; // the column by which they were sorted when it was seen which ones fit
    this.places = new Map(); // the first cell of a row -> where it was sorted to
    this.sortedAt = 0;
    this.beginnings = new Map(); // column -> its texts, and what may be cut of them
    this.width = Infinity; // in em
    this.shown = [];
    this.empty = new Set(columns.filter(({ minor = 0 }) => minor > 0));
    this.nothing = el("p", { class: "note" });
    this.more = el("p", { class: "note" });
    this.heads = columns.map((column) => this.#head(column));
    this.table = el(
      "table",
      {},
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, ...this.heads.map(({ element }) => element))),
      this.body,
    );
    this.element = el("div", { class: "table" }, this.table, this.nothing, this.more);
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  /** Show these rows as of `now`; `none` instead of no rows. */
  paint(rows, now, none = "None.") {
    const shown = this.#arranged(rows, now).slice(0, MOST);
    this.shown = shown;
    this.#findEmpty(rows);
    this.#fit();
    while (this.rows.length < shown.length) {
      this.rows.push(new Row(this.columns, this.note));
    }
    const names = this.columns.map((column) => this.#names(column, shown));
    shown.forEach((row, i) => this.rows[i].paint(row, this.fit, names));
    arrange(this.body, this.rows.slice(0, shown.length).map(({ element }) => element));
    show(this.nothing, shown.length === 0);
    write(this.nothing, none);
    show(this.table, shown.length > 0);
    show(this.more, rows.length > MOST);
    write(this.more, `and ${rows.length - MOST} more`);
  }

  /** The key of the column by which it is sorted. */
  get column() {
    return orderOf(this.id, this.initial).replace(/^-/, "");
  }

  /** Sort at the next paint, since these are other rows. */
  reset() {
    this.sorted = null;
  }

  /** The rows shown as cells, all columns, below the keys of those. */
  cells() {
    const { columns } = this;
    const value = (one) => (typeof one === "number" ? one : String(one ?? ""));
    const rows = this.shown.map((row) => columns.map(({ of }) => value(of(row))));
    return [columns.map(({ key }) => key), ...rows];
  }

  /** Minor columns are left out until any row has had a value in them. */
  #findEmpty(rows) {
    for (const column of this.empty) {
      if (rows.some((row) => !isUnknown(column.of(row)))) {
        this.empty.delete(column);
        this.fitted = null;
      }
    }
  }

  /** Rows keep their places for a while, and as long as the pointer or the focus is among them. */
  #arranged(rows, now) {
    const order = orderOf(this.id, this.initial);
    const held = this.element.matches(`${POINTED}, :has(:focus-visible)`);
    const due = !held && Math.abs(now - this.sortedAt) >= SORT_INTERVAL;
    const { key } = this;
    if (order === this.sorted && !due) {
      const last = this.places.size;
      const place = (row) => this.places.get(key(row)) ?? last;
      return rows.toSorted((a, b) => place(a) - place(b));
    }
    const ordered = inOrder(rows, this.columns, order);
    this.sorted = order;
    this.sortedAt = now;
    this.places = new Map(ordered.map((row, i) => [key(row), i]));
    for (const { column, element } of this.heads) {
      const direction = order === column.key ? "ascending" : "descending";
      mark(element, "aria-sort", this.column === column.key ? direction : null);
    }
    return ordered;
  }

  /** What may be cut of the texts of a column of words (see elide.js); null for another column. */
  #names(column, rows) {
    if (column.kind !== "words" || !this.fit.has(column)) {
      return null;
    }
    const texts = rows.map((row) => column.text(column.of(row), row));
    const last = this.beginnings.get(column);
    if (last?.texts.length === texts.length && texts.every((one, i) => one === last.texts[i])) {
      return last.found;
    }
    const found = beginnings(texts);
    this.beginnings.set(column, { texts, found });
    return found;
  }

  #resize() {
    const { clientWidth } = this.element;
    const size = Number.parseFloat(getComputedStyle(this.table).fontSize);
    if (clientWidth > 0 && clientWidth / size !== this.width) {
      this.width = clientWidth / size;
      this.fitted = null;
      this.#fit();
      this.rows.forEach((row) => row.fit(this.fit));
    }
  }

  /** Leave out the columns for which there is no room. */
  #fit() {
    const wanted = this.column;
    if (wanted === this.fitted) {
      return;
    }
    this.fitted = wanted;
    this.fit = fitting(this.columns, this.width, wanted, this.empty);
    for (const { column, element } of this.heads) {
      show(element, this.fit.has(column));
    }
    const least = [...this.fit].reduce((sum, { width }) => sum + width, 0);
    this.table.style.minWidth = `${least}em`;
  }

  #head(column) {
    const { key, head, kind } = column;
    const button = el("button", { type: "button", class: "sort" }, head);
    button.addEventListener("click", () => this.#sortBy(column));
    const element = el("th", { scope: "col", class: kind, "data-column": key }, button);
    if (column !== this.columns[0]) {
      element.style.width = `${column.width}em`;
    }
    return { column, element };
  }

  /** Sort by a column: numbers the largest first; the same again reverses. */
  #sortBy({ key, kind }) {
    const usual = kind === "words" ? key : `-${key}`;
    const other = kind === "words" ? `-${key}` : key;
    const current = orderOf(this.id, this.initial);
    setOrder(this.id, current === usual ? other : usual, this.initial);
    this.element.dispatchEvent(new CustomEvent("options", { bubbles: true }));
  }
}

class Row {
  constructor(columns, note) {
    this.note = el("span", { class: "trouble" });
    this.noteOf = note;
    this.cells = columns.map((column, i) => new Cell(column, i === 0 ? this.note : null));
    this.element = el("tr", {}, ...this.cells.map(({ element }) => element));
    this.fitted = null;
  }

  /** `names` has for each column what may be cut of its texts, or null. */
  paint(row, fit, names) {
    this.fit(fit);
    this.cells.forEach((cell, i) => cell.paint(row, names[i]));
    const note = this.noteOf(row);
    write(this.note, note);
    show(this.note, note !== "");
    mark(this.note, "data-trouble", note.startsWith("▲") ? "" : null);
  }

  fit(fit) {
    if (fit !== this.fitted) {
      this.fitted = fit;
      this.cells.forEach(({ column, element }) => show(element, fit.has(column)));
    }
  }
}

class Cell {
  constructor(column, note) {
    this.column = column;
    this.text = el("span", { class: column.kind === "words" ? "name" : null });
    this.fill = el("i", {});
    const bar = el("span", { class: "bar", "aria-hidden": "true" }, this.fill);
    const content = column.kind === "share" ? el("div", {}, bar, this.text) : this.text;
    this.element = el("td", { class: column.kind }, content, note ?? "");
  }

  paint(row, names) {
    const { of, text, kind, bar = of, level } = this.column;
    const value = of(row);
    const content = text(value, row);
    if (names !== null) {
      writeName(this.text, content, names.get(content));
    } else {
      write(this.text, content);
    }
    if (content !== this.content) {
      this.content = this.text.title = content;
      mark(this.element, "data-trouble", content.startsWith("▲") ? "" : null);
    }
    if (kind === "share") {
      const share = bar(row) ?? 0;
      this.fill.style.transform = `scaleX(${Math.min(100, Math.max(0, share)) / 100})`;
      mark(this.element, "data-level", level === undefined ? "ok" : level(share));
    }
  }
}
