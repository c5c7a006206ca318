// What stands above the list of nodes: the filter, how nodes are shown, and what they are sorted by.

import { arrange, el, icon, mark, show, unseen, write } from "./dom.js";
import { COLUMNS } from "./nodecolumns.js";
import { options } from "./options.js";
import { SORTS } from "./order.js";
import { linkToCompare } from "./route.js";
import { count } from "./units.js";

/** How many nodes can be compared. */
const COMPARED = [2, 8];

const DENSITIES = { cards: "Cards", rows: "Rows", heat: "Heat map" };

export class ListBar {
  /** `onchange` is called with the options that are to change, `onsave` to save what is shown. */
  constructor(onchange, onsave) {
    this.onchange = onchange;
    this.filter = this.#filterField();
    this.shown = el("span", { class: "shown" });
    this.group = el("select", { "aria-label": "Group by" });
    this.group.addEventListener("change", () => onchange({ group: this.group.value }));
    this.columns = new ColumnMenu(onchange);
    this.picked = new Picked(onchange);
    this.csv = el("button", { type: "button", class: "small", title: "What is shown, as a file" }, "CSV");
    this.csv.addEventListener("click", onsave);
    this.densities = Object.fromEntries(
      Object.entries(DENSITIES).map(([density, word]) => [density, this.#densityButton(density, word)]),
    );
    const densities = { class: "densities", role: "group", "aria-label": "Show nodes as" };
    this.sorts = Object.fromEntries(
      Object.keys(SORTS).map((sort) => [sort, this.#sortButton(sort)]),
    );
    this.heads = el("div", { class: "heads" });
    const bar = { class: "sort-bar", role: "group", "aria-label": "Sort by" };
    const names = el("div", { class: "names" }, this.sorts.name, this.sorts.state);
    this.sortBar = el("div", bar, names, this.heads);
    this.tools = el(
      "div",
      { class: "tools" },
      this.filter,
      this.shown,
      this.group,
      this.columns.element,
      this.picked.element,
      el("div", { class: "list-tools" }, this.csv),
      el("div", densities, ...Object.values(this.densities)),
    );
    this.element = el("div", { class: "list-header" }, this.tools, this.sortBar);
  }

  /** Show a head for each of these columns. */
  layOut(columns, density) {
    mark(this.sortBar, "data-density", density);
    for (const [name, button] of Object.entries(this.densities)) {
      mark(button, "aria-pressed", String(name === density));
    }
    arrange(this.heads, columns.map((name) => this.sorts[name]));
  }

  /** Show the options as they are now. `tags` are the keys that nodes have. */
  paint(tags) {
    if (this.filter.value !== options.filter) {
      this.filter.value = options.filter; // else the caret would move
    }
    for (const [sort, button] of Object.entries(this.sorts)) {
      const order = options.reverse ? "reverse" : "forward";
      const direction = options.sort === sort ? order : null;
      mark(button, "data-direction", direction);
      mark(button, "aria-pressed", String(direction !== null));
    }
    this.columns.paint();
    this.picked.paint();
    this.#paintGroups(options.group === "" || tags.includes(options.group) ? tags : [...tags, options.group]);
  }

  #paintGroups(keys) {
    show(this.group, keys.length > 0);
    const text = keys.join("\n");
    if (this.group.dataset.keys !== text) {
      this.group.dataset.keys = text;
      const choices = keys.map((key) => el("option", { value: key }, `by ${key}`));
      this.group.replaceChildren(el("option", { value: "" }, "no groups"), ...choices);
    }
    if (this.group.value !== options.group) {
      this.group.value = options.group;
    }
  }

  #filterField() {
    const field = el("input", {
      type: "search",
      id: "filter",
      placeholder: "Filter: db-* tag:role=db",
      "aria-label": "Filter by name or tag",
      title: "A part of a name, or patterns: db-* tag:role=db; several with spaces between",
      "aria-keyshortcuts": "/",
      autocomplete: "off",
      spellcheck: "false",
    });
    field.addEventListener("input", () => this.onchange({ filter: field.value }));
    return field;
  }

  #densityButton(density, word) {
    const button = el("button", { type: "button", class: "quiet", title: word }, icon(density));
    button.append(unseen(word));
    button.addEventListener("click", () => this.onchange({ density }));
    return button;
  }

  #sortButton(sort) {
    const button = el("button", { type: "button", class: `sort-key by-${sort}` }, SORTS[sort].word);
    button.addEventListener("click", () => {
      this.onchange({ sort, reverse: options.sort === sort && !options.reverse });
    });
    return button;
  }
}

/** The nodes that are picked, to be compared. */
class Picked {
  constructor(onchange) {
    this.count = el("span", {});
    this.link = el("a", { class: "button" }, "Compare");
    this.clear = el("button", { type: "button", class: "small" }, "None");
    this.clear.addEventListener("click", () => onchange({ picked: [] }));
    this.element = el("div", { class: "picked", role: "status" }, this.count, this.link, this.clear);
  }

  paint() {
    const { picked } = options;
    show(this.element, picked.length > 0);
    const [least, most] = COMPARED;
    const enough = picked.length >= least && picked.length <= most;
    write(this.count, `${count(picked.length, "node")} picked${enough ? "" : `, of ${least} to ${most}`}`);
    mark(this.link, "href", enough ? linkToCompare(picked) : null);
  }
}

/** The columns to choose from. */
class ColumnMenu {
  constructor(onchange) {
    this.boxes = Object.fromEntries(
      Object.keys(COLUMNS).map((name) => [name, el("input", { type: "checkbox" })]),
    );
    const labels = Object.entries(this.boxes).map(([name, box]) => {
      box.addEventListener("change", () => onchange({ columns: this.chosen }));
      return el("label", {}, box, COLUMNS[name].word);
    });
    const fields = el("fieldset", {}, el("legend", { class: "unseen" }, "Columns"), ...labels);
    this.element = el("details", { class: "menu" }, el("summary", {}, "Columns"), fields);
    this.element.addEventListener("keydown", (event) => this.#leave(event));
    addEventListener("pointerdown", ({ target }) => {
      this.element.open &&= this.element.contains(target);
    });
  }

  get chosen() {
    return Object.keys(this.boxes).filter((name) => this.boxes[name].checked);
  }

  paint() {
    for (const [name, box] of Object.entries(this.boxes)) {
      box.checked = options.columns.includes(name);
    }
  }

  #leave(event) {
    if (event.key === "Escape" && this.element.open) {
      event.preventDefault(); // else the page would take it
      this.element.open = false;
      this.element.firstChild.focus();
    }
  }
}
