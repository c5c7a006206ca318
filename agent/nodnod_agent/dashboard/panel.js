// One panel of the node view: a title, and the drawing of a section or its error.

import { el, show, write } from "./dom.js";

export class Panel {
  /** One of the rows of PANELS. */
  constructor({ section, title, Drawing, size = "" }) {
    this.section = section;
    this.title = title;
    this.drawing = new Drawing();
    this.fault = el("p", { class: "fault" });
    this.element = el(
      "section",
      { class: `panel ${size}`, "data-section": section },
      el("h3", {}, title),
      this.fault,
      this.drawing.element,
    );
  }

  /** Draw a section of the detail; not null. */
  paint(section) {
    const broken = typeof section.error === "string";
    show(this.fault, broken);
    show(this.drawing.element, !broken);
    if (broken) {
      write(this.fault, `▲ Could not be read: ${section.error}`);
    } else {
      this.drawing.paint(section);
    }
  }
}
