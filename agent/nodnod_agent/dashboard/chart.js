// A chart of numbers over time. A crosshair, moved by pointer or keys, reads its values.

import { el, mark, show, svg, write } from "./dom.js";
import { listen } from "./keys.js";
import { paths } from "./path.js";
import { moment } from "./units.js";

const COLUMNS = 300;
const HEIGHT = 100;
const TICKS = 5; // times under the chart
const LINE_CLASSES = ["first", "second"];

export class Chart {
  /**
   * `lines`: at most two of `{ name, series }`; the second is dashed, so that color alone does not
   * distinguish them. `unit` formats a value. `top` is the value at the upper edge, or a function
   * that computes it from the largest value drawn.
   */
  constructor({ title, lines, unit, top, crosshair }) {
    Object.assign(this, { title, lines, unit, top, crosshair });
    this.span = 300;
    this.end = 0;
    this.drawings = lines.map((_, i) => ({
      line: svg("path", { class: `line ${LINE_CLASSES[i]}` }),
      area: i === 0 ? svg("path", { class: "area" }) : null,
    }));
    this.values = lines.map(() => el("span", { class: "value" }));
    this.scale = [el("span", {}), el("span", {})];
    this.times = Array.from({ length: TICKS }, () => el("span", {}));
    this.hairlineTime = el("span", { class: "hairline-time" });
    this.hairline = el("div", { class: "hairline", "aria-hidden": "true" });
    this.plot = this.#plot();
    this.element = el(
      "figure",
      { class: "chart" },
      el(
        "figcaption",
        {},
        el("h3", {}, title),
        ...lines.map(({ name }, i) =>
          el("span", { class: `key ${LINE_CLASSES[i]}` }, name, " ", this.values[i]),
        ),
      ),
      el(
        "div",
        { class: "field" },
        el("div", { class: "scale", "aria-hidden": "true" }, ...this.scale),
        this.plot,
      ),
      el("div", { class: "times", "aria-hidden": "true" }, ...this.times),
    );
    this.plot.addEventListener("pointermove", (event) => this.#point(event));
    this.plot.addEventListener("pointerdown", (event) => this.#point(event));
    this.plot.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") {
        this.crosshair.move(null); // a touch leaves it where the finger was lifted
      }
    });
    this.plot.addEventListener("focus", () => {
      // A fixed moment: otherwise a screen reader announces a new value every second.
      if (this.plot.matches(":focus-visible")) {
        this.crosshair.move(this.crosshair.time ?? this.end);
      }
    });
    this.plot.addEventListener("blur", () => this.crosshair.move(null));
    listen(this.plot, "chart", {
      earlier: ({ shiftKey }) => this.#step(shiftKey ? -10 : -1),
      later: ({ shiftKey }) => this.#step(shiftKey ? 10 : 1),
      muchLater: () => this.#step(30),
      muchEarlier: () => this.#step(-30),
      first: () => this.#moveTo(-Infinity),
      last: () => this.#moveTo(this.end),
      leave: () => this.#leave(),
    });
  }

  /** Draw the `span` seconds that end at `end`. */
  paint(end, span) {
    this.end = Math.floor(end);
    this.span = span;
    const columns = this.lines.map(({ series }) => series.columns(end, span, COLUMNS));
    const tops = columns.map((values) => values.reduce((a, b) => (b > a ? b : a), 0));
    const largest = Math.max(...tops);
    const top = typeof this.top === "function" ? this.top(largest) : this.top;
    this.drawings.forEach(({ line, area }, i) => {
      const drawn = paths(columns[i], top, HEIGHT);
      mark(line, "d", drawn.line);
      if (area !== null) {
        mark(area, "d", drawn.area);
      }
    });
    write(this.scale[0], short(this.unit(top)));
    write(this.scale[1], short(this.unit(top / 2)));
    this.times.forEach((element, i) => {
      write(element, moment(this.end - span + (span * i) / (TICKS - 1)).slice(-8));
    });
    this.#paintValues();
  }

  /** Show the values at the crosshair, or the newest ones. */
  #paintValues() {
    const { crosshair, end, span } = this;
    const inside = crosshair.time !== null && crosshair.time <= end && crosshair.time > end - span;
    const time = inside ? Math.round(crosshair.time) : null;
    const texts = this.lines.map(({ name, series }, i) => {
      const value = time === null ? series.last() : this.#mean(series, time);
      write(this.values[i], this.unit(value));
      return `${name} ${this.unit(value)}`;
    });
    show(this.hairline, inside);
    if (inside) {
      const share = 1 - (end - time) / span;
      this.hairline.style.left = `${100 * share}%`;
      write(this.hairlineTime, moment(time).slice(-8));
      mark(this.hairlineTime, "data-side", share > 0.5 ? "left" : "right");
    }
    const now = time ?? end;
    mark(this.plot, "aria-valuemin", String(end - span));
    mark(this.plot, "aria-valuemax", String(end));
    mark(this.plot, "aria-valuenow", String(now));
    mark(this.plot, "aria-valuetext", `${moment(now)}: ${texts.join(", ")}`);
  }

  /** The value drawn at a time: on a long span, one column is the mean of several seconds. */
  #mean(series, time) {
    const each = Math.round(this.span / COLUMNS);
    const end = (Math.floor(time / each) + 1) * each - 1;
    return series.columns(end, each, 1)[0];
  }

  #plot() {
    const drawing = svg(
      "svg",
      {
        viewBox: `0 -1 ${COLUMNS - 1} ${HEIGHT + 2}`,
        preserveAspectRatio: "none",
        "aria-hidden": "true",
        focusable: "false",
      },
      ...[0, 0.5, 1].map((share) =>
        svg("path", { class: "grid", d: `M0 ${share * HEIGHT}H${COLUMNS - 1}` }),
      ),
      ...this.drawings.flatMap(({ line, area }) => (area === null ? [line] : [area, line])),
    );
    this.hairline.append(this.hairlineTime);
    const label = `${this.title}: moment to read`;
    return el(
      "div",
      { class: "plot", tabindex: "0", role: "slider", "aria-label": label },
      drawing,
      this.hairline,
    );
  }

  #point(event) {
    const { left, width } = this.plot.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    this.crosshair.move(this.end - this.span * (1 - share));
  }

  /** Move the crosshair by so many columns. */
  #step(columns) {
    const each = this.span / COLUMNS;
    this.#moveTo((this.crosshair.time ?? this.end) + columns * each);
  }

  #moveTo(time) {
    const first = this.end - this.span + this.span / COLUMNS;
    this.crosshair.move(Math.min(this.end, Math.max(first, time)));
  }

  #leave() {
    const shown = this.crosshair.time !== null;
    this.crosshair.move(null);
    return shown;
  }
}

/** The text without its decimal zeros: `2.00 MiB/s` is `2 MiB/s` on an axis. */
function short(text) {
  return text.replace(/\.0+(?!\d)/, "");
}

/** An upper edge for unbounded numbers: 1, 2 or 5 times a power of ten, at least `least`. */
export function roundTop(least) {
  return (largest) => {
    const bound = Math.max(largest, least);
    const power = 10 ** Math.floor(Math.log10(bound));
    return [1, 2, 5, 10].map((step) => step * power).find((edge) => edge >= bound);
  };
}

/** The same for bytes: a power of two. */
export function binaryTop(least) {
  return (largest) => 2 ** Math.ceil(Math.log2(Math.max(largest, least)));
}
