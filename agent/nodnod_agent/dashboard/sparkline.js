// A sparkline: the last minutes as a small line without axes, drawn only while visible.

import { mark, svg } from "./dom.js";
import { HISTORY_SECONDS } from "./node.js";
import { paths } from "./path.js";

const COLUMNS = 100; // of 3 seconds each
const HEIGHT = 40;

const visible = new WeakSet();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      visible.add(target);
    } else {
      visible.delete(target);
    }
  }
}, { rootMargin: "200px" });

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
        viewBox: `0 -1 ${COLUMNS - 1} ${HEIGHT + 2}`,
        preserveAspectRatio: "none",
        "aria-hidden": "true",
      },
      this.area,
      this.line,
    );
    this.drawn = this.fills = null;
    observer.observe(this.element);
  }

  /** Draw the series up to `time`. */
  paint(series, time) {
    const drawn = this.drawn === time && this.fills === series.fills;
    if (visible.has(this.element) && !drawn) {
      this.drawn = time;
      this.fills = series.fills;
      const columns = series.columns(time, HISTORY_SECONDS, COLUMNS);
      const top = this.top ?? Math.max(1, ...columns.filter((value) => !Number.isNaN(value)));
      const { line, area } = paths(columns, top, HEIGHT);
      mark(this.line, "d", line);
      mark(this.area, "d", area);
    }
  }
}
