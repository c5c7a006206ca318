// One panel of the node view: a title, and the drawing of a section or its error.

import { csvText } from "./csv.js";
import { el, show, unseen, write } from "./dom.js";
import { download, fileName } from "./download.js";
import { place } from "./route.js";

export class Panel {
  /** One of the rows of PANELS. */
  constructor({ section, title, Drawing, size = "", optional = false }) {
    this.section = section;
    this.optional = optional;
    this.title = title;
    this.drawing = new Drawing();
    this.fault = el("p", { class: "fault" });
    this.leftOut = el("p", { class: "note" });
    this.element = el(
      "section",
      { class: `panel ${size}`, "data-section": section },
      el("div", { class: "panel-head" }, el("h3", {}, title), this.drawing.above ?? "", this.#tools()),
      this.fault,
      this.drawing.element,
      this.leftOut,
    );
  }

  /** Draw a section of the detail as of `now`; not null. */
  paint(section, now) {
    // A section with more than the error was read in part.
    const broken = typeof section.error === "string" && Object.keys(section).length === 1;
    const fault = broken ? section.error : this.#draw(section, now);
    show(this.fault, fault !== "");
    show(this.drawing.element, fault === "");
    write(this.fault, `▲ Could not be read: ${fault}`);
    const more = leftOut(section);
    show(this.leftOut, more > 0);
    write(this.leftOut, `and ${more} more, too many for one answer`);
  }

  /** What can be done with a table. */
  #tools() {
    const { table } = this.drawing;
    if (table === undefined) {
      return "";
    }
    const button = el("button", { type: "button", class: "small" }, "CSV", unseen(` of ${this.title}`));
    button.addEventListener("click", () => {
      const name = fileName([place().name, this.section], Date.now() / 1000, "csv");
      download(csvText(table.cells()), "text/csv", name);
    });
    return el("span", { class: "panel-tools" }, button);
  }

  /** Draw it; why not, if its agent sends something else. */
  #draw(section, now) {
    try {
      this.drawing.paint(section, now);
      return "";
    } catch (error) {
      if (error instanceof TypeError) {
        return "the agent of this node sends something else";
      }
      throw error;
    }
  }
}

/** How many rows of a section its sender left out; its last row tells. */
function leftOut(section) {
  const rows = [section, ...Object.values(section)];
  const found = rows.map((row) => row?.truncated).filter((number) => typeof number === "number");
  return found.reduce((sum, number) => sum + number, 0);
}
