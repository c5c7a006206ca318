// A sparkline: the last minutes as a small line without axes.

import { mark, svg } from "./dom.js";
import { HISTORY_SECONDS } from "./node.js";
import { paths } from "./path.js";

const COLUMNS = 60;
const SECONDS = HISTORY_SECONDS / COLUMNS; // of one column
const HEIGHT = 1000; // so that whole numbers are fine enough

let created = 0;

export class Sparkline {
  /** `top` is the value at the upper edge; null for the largest value drawn. */
  constructor(top) {
    this.top = top;
    this.line = svg("path", { class: "line" });
    this.area = svg("path", { class: "area" });
    this.element = svg(
      "svg",
      {
        class: "spark",
        viewBox: `0 -25 ${COLUMNS - 1} ${HEIGHT + 50}`,
        preserveAspectRatio: "none",
        "aria-hidden": "true",
      },
      this.area,
      this.line,
    );
    this.drawn = this.series = this.fills = null;
    created += 1;
    this.phase = created % SECONDS; // not all of the page in the same second
  }

  /** Draw the series up to `time`, unless the line would have no new column. */
  paint(series, time) {
    const turn = Math.floor((time + this.phase) / SECONDS);
    if (this.drawn === turn && this.fills === series.fills && this.series === series) {
      return;
    }
    Object.assign(this, { drawn: turn, fills: series.fills, series });
    const columns = series.columns(time, HISTORY_SECONDS, COLUMNS);
    const top = this.top ?? Math.max(1, ...columns.filter((value) => !Number.isNaN(value)));
    const { line, area } = paths(columns, top, HEIGHT);
    mark(this.line, "d", line);
    mark(this.area, "d", area);
  }
}
