// A meter: a share in percent as a bar and a number, with its label and its extent.

import { el, mark, write } from "./dom.js";
import { level } from "./level.js";
import { percent } from "./units.js";

const SUFFIXES = { high: " (high)", critical: " (critical)" };

export class Meter {
  constructor(label, kind) {
    this.fill = el("i", {});
    this.value = el("span", { class: "value" });
    this.grade = el("span", { class: "unseen" });
    this.extent = el("span", { class: "extent" });
    this.element = el(
      "div",
      { class: `meter ${kind}` },
      el("span", { class: "label" }, label),
      el("span", { class: "bar", "aria-hidden": "true" }, this.fill),
      this.value,
      this.grade,
      this.extent,
    );
  }

  /** Show a share in percent (null is shown as a dash), and its extent as text. */
  paint(share, extent) {
    const text = percent(share);
    if (text !== this.value.written) {
      write(this.value, text);
      const grade = level(share ?? NaN);
      mark(this.element, "data-level", grade);
      write(this.grade, SUFFIXES[grade] ?? "");
      this.fill.style.transform = `scaleX(${Math.min(100, share ?? 0) / 100})`;
    }
    write(this.extent, extent);
  }
}
