// A chart of numbers over time, drawn from the tracks of its lines. A crosshair, moved by pointer or
// keys, reads its values; a drag, or the Enter key twice, selects a stretch of time.

import { timeTicks } from "./axis.js";
import { el, mark, show, svg, unseen, write } from "./dom.js";
import { listen } from "./keys.js";
import { Legend } from "./legend.js";
import { marksAt } from "./marks.js";
import { band, paths } from "./path.js";
import { lastOf, stack, summaryOf, valueAt } from "./track.js";
import { duration, moment } from "./units.js";

/** The box that is drawn in. Below the plot is a strip for the marks. */
const WIDTH = 300;
const HEIGHT = 1000;
const STRIP = { critical: [1040, 1110], warning: [1070, 1110] };
const BOX = `0 -10 ${WIDTH} 1130`;

/** Behind this, the label of a time would stand out of the chart. */
const LAST_LABEL = 0.97 * WIDTH;

const DRAG = 4; // pixels from which a movement is a drag
const NEAR = 5; // pixels between the crosshair and a mark that it tells of
const MARKS_TOLD = 3;

export class Chart {
  /**
   * `lines` are `{ name, look, node, record, field, part, cut }`: a class of the style sheet, and whose
   * numbers they show. Those with `part` are stacked. `cut` is how much of the name may be cut (see
   * elide.js). `unit` formats a value. `top` is the value at the upper edge, or a function that
   * computes it from the largest value drawn. `onzoom` is called with a
   * selection of two times, a factor to zoom by, or null for the newest range; `onsave` with this
   * chart and the type of a file.
   */
  constructor({ title, lines, unit, top, crosshair, onzoom, onsave }) {
    Object.assign(this, { title, lines, unit, top, crosshair, onzoom });
    this.window = { from: 0, until: 300, live: true };
    this.height = HEIGHT;
    this.tracks = [];
    this.marks = [];
    // The peaks and areas of several nodes would hide each other.
    this.alone = lines.every(({ record }) => record === lines[0].record);
    this.drawings = lines.map(({ look, part }, i) => ({
      line: svg("path", { class: part ? `part ${look}` : `line ${look}` }),
      band: this.alone && !part ? svg("path", { class: `band ${look}` }) : null,
      area: this.alone && i === 0 ? svg("path", { class: "area" }) : null,
    }));
    this.scale = [el("span", {}), el("span", {})];
    this.labels = el("div", {});
    this.times = el("div", { class: "times", "aria-hidden": "true" }, this.labels);
    this.grid = svg("path", { class: "grid" });
    this.events = svg("path", { class: "mark event" });
    this.downs = svg("path", { class: "mark down" });
    this.strips = Object.keys(STRIP).map((severity) => svg("path", { class: `mark ${severity}` }));
    this.hairlineText = el("span", { class: "hairline-time" });
    this.hairline = el("div", { class: "hairline", "aria-hidden": "true" }, this.hairlineText);
    this.selected = el("div", { class: "selected", "aria-hidden": "true", hidden: true });
    this.plot = this.#plot();
    const tools = el(
      "span",
      { class: "chart-tools" },
      ...["PNG", "CSV"].map((type) => {
        const button = el("button", { type: "button", class: "small" }, type);
        button.append(unseen(` of ${title}`));
        button.addEventListener("click", () => onsave(this, type));
        return button;
      }),
    );
    this.legend = new Legend({ title, lines, unit, tools });
    this.element = el(
      "figure",
      { class: "chart", "data-unit": unit.name },
      el("figcaption", {}, this.legend.element),
      el(
        "div",
        { class: "field" },
        el("div", { class: "scale", "aria-hidden": "true" }, ...this.scale),
        this.plot,
      ),
      this.times,
    );
    this.#listen();
  }

  /**
   * Draw what lies in a `window`: `from` and `until`, in Unix seconds, and whether it is `live`.
   * `summarize` is whether to show its summaries too.
   */
  draw(window, marks, summarize) {
    this.window = window;
    this.marks = marks;
    this.tracks = this.lines.map(({ record, field }) => record.track(field, window));
    const { from, until } = window;
    const summaries = this.tracks.map((track) => summaryOf(track, from, until));
    const edges = this.tracks.map((track, i) =>
      this.drawings[i].band === null ? summaryOf({ ...track, peaks: null }, from, until) : summaries[i],
    );
    const largest = edges.reduce((top, { highest }) => (highest > top ? highest : top), 0);
    const top = typeof this.top === "function" ? this.top(largest) : this.top;
    this.#drawLines(top);
    this.#drawMarks();
    if (summarize) {
      this.legend.summarize(
        summaries.map((summary, i) =>
          this.lines[i].part && Number.isNaN(summary.mean) ? null : summary,
        ),
      );
    }
    write(this.scale[0], short(this.unit(top)));
    write(this.scale[1], short(this.unit(top / 2)));
    this.#drawTimes();
    this.read();
  }

  /** Show the values at the crosshair, or the newest ones. */
  read() {
    const { crosshair, lines, tracks, window } = this;
    const { from, until, live } = window;
    const inside = crosshair.time !== null && crosshair.time <= until && crosshair.time >= from;
    const time = inside ? Math.round(crosshair.time) : null;
    const values = lines.map(({ record, field }, i) => {
      if (time !== null) {
        return valueAt(tracks[i], time);
      }
      return live ? record.latest(field) : lastOf(tracks[i]);
    });
    this.legend.read(values, inside ? "at" : live ? "now" : "last");
    const told = inside ? this.#told(time) : [];
    this.#paintHairline(inside ? time : null, told);
    this.#paintSelection();
    const now = Math.floor(time ?? until);
    const known = lines.map((line, i) => [line, values[i]]);
    const texts = known
      .filter(([{ part }, value]) => !part || !Number.isNaN(value))
      .map(([{ name }, value]) => `${name} ${this.unit(value)}`);
    const selection = crosshair.selection;
    const begun = crosshair.anchor === null ? null : "the selection begins here";
    const length = selection ? `${duration(selection[1] - selection[0])} selected` : begun;
    const text = [texts.join(", "), ...told, length].filter(Boolean).join("; ");
    mark(this.plot, "aria-valuemin", String(Math.floor(from)));
    mark(this.plot, "aria-valuemax", String(Math.floor(until)));
    mark(this.plot, "aria-valuenow", String(now));
    mark(this.plot, "aria-valuetext", `${moment(now)}: ${text}`);
  }

  #drawLines(top) {
    const { lines, tracks } = this;
    const stacked = stack(tracks.filter((_, i) => lines[i].part));
    this.drawings.forEach(({ line, area, band: peaks }, i) => {
      const { first, every, means, peaks: highs } = tracks[i];
      const place = [this.#x(first), (every / this.#span) * WIDTH];
      if (lines[i].part) {
        mark(line, "d", paths(stacked.shift(), top, HEIGHT, ...place).area);
        return;
      }
      const drawn = paths(means, top, HEIGHT, ...place);
      mark(line, "d", drawn.line);
      if (area !== null) {
        mark(area, "d", drawn.area);
      }
      if (peaks !== null) {
        mark(peaks, "d", highs === null ? "" : band(means, highs, top, HEIGHT, ...place));
      }
    });
  }

  #drawMarks() {
    const strips = Object.fromEntries(Object.keys(STRIP).map((severity) => [severity, ""]));
    let [events, downs] = ["", ""];
    for (const { kind, from, until, severity } of this.marks) {
      const begin = Math.max(0, this.#x(from));
      const end = Math.min(WIDTH, Math.max(this.#x(until ?? Infinity), begin + 0.8));
      const [x, right] = [begin.toFixed(2), end.toFixed(2)];
      if (severity !== null) {
        const [top, bottom] = STRIP[severity];
        strips[severity] += `M${x} ${top}H${right}V${bottom}H${x}Z`;
      } else if (kind === "down") {
        downs += `M${x} -10H${right}V1110H${x}Z`;
      } else {
        events += `M${x} -10V1110`;
      }
    }
    mark(this.events, "d", events);
    mark(this.downs, "d", downs);
    Object.values(strips).forEach((path, i) => mark(this.strips[i], "d", path));
  }

  #drawTimes() {
    const { from, until } = this.window;
    const ticks = timeTicks(from, until);
    let grid = [0, 0.5, 1].map((share) => `M0 ${share * HEIGHT}H${WIDTH}`).join("");
    for (const { time } of ticks) {
      grid += `M${this.#x(time).toFixed(2)} 0V${HEIGHT}`;
    }
    mark(this.grid, "d", grid);
    const shown = ticks.filter(({ time }) => this.#x(time) < LAST_LABEL);
    const text = [until - from, ...shown.map(({ time }) => time)].join(" ");
    if (text !== this.timesShown) {
      this.timesShown = text;
      this.timesFrom = from;
      this.labels.replaceChildren(
        ...shown.map(({ time, text: label }) => {
          const element = el("span", {}, label);
          element.style.left = `${((100 * this.#x(time)) / WIDTH).toFixed(2)}%`;
          return element;
        }),
      );
    }
    // The same labels only move, all together: that needs no layout.
    const moved = ((this.timesFrom - from) / (until - from)) * 100;
    this.labels.style.transform = `translateX(${moved.toFixed(2)}%)`;
  }

  /** The labels of the time axis, each with its share of the width. */
  shownTimes() {
    const ticks = timeTicks(this.window.from, this.window.until);
    const places = ticks.map(({ time, text }) => ({ label: text, share: this.#x(time) / WIDTH }));
    return places.filter(({ share }) => share * WIDTH < LAST_LABEL);
  }

  #paintHairline(time, told) {
    show(this.hairline, time !== null);
    if (time !== null) {
      const share = this.#x(time) / WIDTH;
      this.hairline.style.left = `${100 * share}%`;
      write(this.hairlineText, [moment(time), ...told].join("\n"));
      mark(this.hairlineText, "data-side", share > 0.5 ? "left" : "right");
    }
  }

  #paintSelection() {
    const { selection } = this.crosshair;
    show(this.selected, selection !== null);
    if (selection !== null) {
      const [left, right] = selection.map((time) => (100 * this.#x(time)) / WIDTH);
      this.selected.style.left = `${left}%`;
      this.selected.style.width = `${right - left}%`;
    }
  }

  /** What the marks near a moment say. */
  #told(time) {
    const near = (NEAR * this.#span) / Math.max(1, this.width ?? WIDTH);
    const found = marksAt(this.marks, time, near).map((one) => this.#sentence(one));
    return found.length > MARKS_TOLD ? [...found.slice(0, MARKS_TOLD), "…"] : found;
  }

  #sentence({ node, text }) {
    return this.alone ? text : `${node} ${text}`;
  }

  get #span() {
    return this.window.until - this.window.from;
  }

  #x(time) {
    return ((time - this.window.from) / this.#span) * WIDTH;
  }

  #plot() {
    const drawing = svg(
      "svg",
      { viewBox: BOX, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
      this.downs,
      this.grid,
      ...this.drawings.flatMap(({ area }) => area ?? []),
      ...this.drawings.flatMap(({ band: peaks }) => peaks ?? []),
      // The line of the whole is drawn above its parts, and each part above those that are on top of it.
      ...this.drawings.map(({ line }) => line).toReversed(),
      this.events,
      ...this.strips,
    );
    const label = `${this.title}: moment to read`;
    return el(
      "div",
      { class: "plot", tabindex: "0", role: "slider", "aria-label": label },
      drawing,
      this.selected,
      this.hairline,
    );
  }

  #listen() {
    const { crosshair, plot } = this;
    let begin = null; // where a button of the mouse went down
    plot.addEventListener("pointermove", (event) => {
      if (begin !== null && Math.abs(event.clientX - begin) >= DRAG) {
        crosshair.select(crosshair.anchor ?? this.#timeAt(begin));
      }
      crosshair.move(this.#timeAt(event.clientX));
    });
    plot.addEventListener("pointerdown", (event) => {
      crosshair.move(this.#timeAt(event.clientX));
      // A finger moves the crosshair; to zoom, there are buttons.
      if (event.button === 0 && event.pointerType !== "touch") {
        begin = event.clientX;
        plot.setPointerCapture(event.pointerId);
      }
    });
    plot.addEventListener("pointerup", () => {
      begin = null;
      this.#zoomToSelection();
    });
    plot.addEventListener("pointercancel", () => {
      begin = null;
      crosshair.select(null);
    });
    plot.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") {
        crosshair.move(null); // a touch leaves it where the finger was lifted
      }
    });
    plot.addEventListener("dblclick", () => this.onzoom(null));
    plot.addEventListener("focus", () => {
      // A fixed moment: otherwise a screen reader announces a new value every second.
      if (plot.matches(":focus-visible")) {
        crosshair.move(crosshair.time ?? Math.floor(this.window.until));
      }
    });
    plot.addEventListener("blur", () => crosshair.move(null));
    listen(plot, "chart", {
      earlier: ({ shiftKey }) => this.#step(shiftKey ? -10 : -1),
      later: ({ shiftKey }) => this.#step(shiftKey ? 10 : 1),
      muchLater: () => this.#step(30),
      muchEarlier: () => this.#step(-30),
      first: () => this.#moveTo(-Infinity),
      last: () => this.#moveTo(Infinity),
      select: () => this.#selectOrZoom(),
      zoomIn: () => this.onzoom(1 / 2),
      zoomOut: () => this.onzoom(2),
      live: () => this.onzoom(null),
      leave: () => this.#leave(),
    });
  }

  #zoomToSelection() {
    const { selection } = this.crosshair;
    this.crosshair.select(null);
    if (selection !== null) {
      this.onzoom(selection);
    }
  }

  #timeAt(clientX) {
    const { left, width } = this.plot.getBoundingClientRect();
    this.width = width;
    const share = Math.min(1, Math.max(0, (clientX - left) / width));
    return this.window.from + this.#span * share;
  }

  /** Move the crosshair by so many points. */
  #step(points) {
    this.#moveTo((this.crosshair.time ?? Math.floor(this.window.until)) + points * this.step);
  }

  #moveTo(time) {
    const { from, until } = this.window;
    this.crosshair.move(Math.min(Math.floor(until), Math.max(Math.ceil(from), time)));
  }

  /** End the selection, or take the crosshair away; whether there was one of them. */
  #leave() {
    const { anchor, time } = this.crosshair;
    if (anchor !== null) {
      this.crosshair.select(null);
    } else {
      this.crosshair.move(null);
    }
    return time !== null;
  }

  #selectOrZoom() {
    const { crosshair } = this;
    if (crosshair.selection !== null) {
      this.#zoomToSelection();
    } else {
      crosshair.move(crosshair.time ?? Math.floor(this.window.until));
      crosshair.select(crosshair.time);
    }
  }

  /** Seconds from one point to the next: of the line that has the most points. */
  get step() {
    const steps = this.tracks.filter(({ means }) => means.length > 0).map(({ every }) => every);
    return steps.length > 0 ? Math.max(1, Math.min(...steps)) : this.#span / WIDTH;
  }
}

/** The text without its decimal zeros: `2.00 MiB/s` is `2 MiB/s` on an axis. */
function short(text) {
  return text.replace(/\.0+(?!\d)/, "");
}
