// The legend of a chart: of each line the value at the crosshair or the newest one, and the lowest,
// mean and highest of what is shown.

import { el, show, svg, write } from "./dom.js";
import { writeName } from "./elide.js";

const HEADS = ["min", "avg", "max"];

export class Legend {
  /** `lines` are those of a chart, `unit` formats a value; `tools` stand beside the title. */
  constructor({ title, lines, unit, tools }) {
    this.unit = unit;
    this.rows = lines.map((line) => new Row(line));
    this.when = el("th", { class: "value", scope: "col" });
    const heads = HEADS.map((text) => el("th", { scope: "col" }, text));
    const name = el("td", { class: "title-cell" }, el("h3", {}, title), tools);
    this.element = el(
      "table",
      { class: "chart-legend" },
      el("thead", {}, el("tr", {}, name, this.when, ...heads)),
      el("tbody", {}, ...this.rows.map(({ element }) => element)),
    );
  }

  /** Show the summaries (see track.js) of the lines; null hides a line without numbers. */
  summarize(summaries) {
    summaries.forEach((summary, i) => {
      show(this.rows[i].element, summary !== null);
      if (summary !== null) {
        this.rows[i].parts.forEach((cell, part) => {
          write(cell, this.unit([summary.lowest, summary.mean, summary.highest][part]));
        });
      }
    });
  }

  /** Show the values of the lines at one moment, which `when` names. */
  read(values, when) {
    write(this.when, when);
    values.forEach((value, i) => write(this.rows[i].value, this.unit(value)));
  }
}

class Row {
  constructor({ name, look, part, cut = 0 }) {
    this.value = el("td", { class: "value" });
    this.parts = HEADS.map(() => el("td", {}));
    const label = el("span", { class: "text" });
    writeName(label, name, cut);
    const head = el("th", { class: "name", scope: "row", title: name });
    head.append(el("span", { class: "name-part" }, swatch(look, part), label));
    this.element = el("tr", { class: "key" }, head, this.value, ...this.parts);
  }
}

/** A sample of a line, or of a part of a stack. */
export function swatch(look, part = false) {
  const kind = part ? "swatch of-part" : "swatch";
  const sample = svg("path", { class: look, d: part ? "M0 0H22V8H0Z" : "M0 4H22" });
  return svg("svg", { class: kind, viewBox: "0 0 22 8", "aria-hidden": "true" }, sample);
}
