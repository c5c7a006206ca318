// The field that searches in one table, where that is long.

import { el, show, write } from "./dom.js";
import { textTest } from "./filter.js";
import { findOf, setFind } from "./tableoptions.js";

/** From this many rows on, a table has such a field. */
const LONG = 10;

export class Find {
  /** `table` is the id of the table, `label` says what is searched, `placeholder` gives an example. */
  constructor(table, label, { placeholder = "Find", longest = 100 } = {}) {
    this.table = table;
    this.input = el("input", {
      class: "find",
      type: "search",
      placeholder,
      "aria-label": label,
      "aria-keyshortcuts": "/",
      maxlength: String(longest),
      autocomplete: "off",
      spellcheck: "false",
    });
    this.count = el("span", { class: "note" });
    this.element = el("div", { class: "above" }, this.input, this.count);
    this.input.addEventListener("input", () => {
      setFind(table, this.input.value.trim());
      this.element.dispatchEvent(new CustomEvent("options", { bubbles: true }));
    });
  }

  get text() {
    return findOf(this.table);
  }

  /** Show what is searched. */
  paint() {
    if (this.input.value.trim() !== this.text) {
      this.input.value = this.text; // else the caret would move
    }
  }

  /** Those of the rows in whose words the text occurs; and show how many. */
  among(rows, columns) {
    this.paint();
    show(this.element, rows.length > LONG || this.text !== "" || document.activeElement === this.input);
    if (this.text === "") {
      write(this.count, "");
      return rows;
    }
    const test = textTest(this.text);
    const texts = columns.filter(({ kind }) => kind === "words");
    const found = rows.filter((row) => texts.some(({ of }) => test(String(of(row) ?? ""))));
    write(this.count, `${found.length} of ${rows.length}`);
    return found;
  }
}
