// One share in percent: its name, a bar, the number, and what of what it is.

import { el, mark, write } from "./dom.js";
import { level } from "./level.js";
import { percent } from "./units.js";

const WORDS = { high: " (high)", critical: " (critical)" };

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
    this.width = -1;
  }

  /** Show a share, and words beside it; a share of null is a dash. */
  paint(share, extent) {
    const text = percent(share);
    if (text !== this.value.written) {
      write(this.value, text);
      const grade = level(share ?? NaN);
      mark(this.element, "data-level", grade);
      write(this.grade, WORDS[grade] ?? "");
      this.fill.style.transform = `scaleX(${Math.min(100, share ?? 0) / 100})`;
    }
    write(this.extent, extent);
  }
}
