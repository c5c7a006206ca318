// A small line of the last minutes, without axes; drawn only while it can be seen.

import { mark, svg } from "./dom.js";
import { PAST } from "./node.js";
import { paths } from "./path.js";

const COLUMNS = 100; // of 3 seconds each
const HEIGHT = 40;

const seen = new WeakSet();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      seen.add(target);
    } else {
      seen.delete(target);
    }
  }
}, { rootMargin: "200px" });

export class Sparkline {
  /** `top` is the value at the upper edge; null: the largest that is drawn. */
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
    this.drawn = null;
    watcher.observe(this.element);
  }

  /** Draw the series as it stands at `time`. */
  paint(series, time) {
    // A column is three seconds: more often there is nothing new but in the last one.
    if (seen.has(this.element) && this.drawn !== time) {
      this.drawn = time;
      const columns = series.columns(time, PAST, COLUMNS);
      const top = this.top ?? Math.max(1, ...columns.filter((value) => !Number.isNaN(value)));
      const { line, area } = paths(columns, top, HEIGHT);
      mark(this.line, "d", line);
      mark(this.area, "d", area);
    }
  }
}
