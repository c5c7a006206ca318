// The bar above charts: the range of time that they show, what to do with it, and its marks.

import { arrange, el, mark, show, write } from "./dom.js";
import { SPANS, isZoomed } from "./range.js";
import { options } from "./options.js";
import { count, duration, moment } from "./units.js";

/** Marks in the list. */
const LISTED = 200;

export class TimeBar {
  /**
   * `onfollow` is called with a range in seconds, or nothing for the one before the zoom; `onzoom` with
   * a factor; `onmove` with the share of the range by which to go later; `onpoint` with a moment to
   * show, or null; `onsave` when the numbers are to be saved; `more` stands at the end.
   */
  constructor({ onfollow, onzoom, onmove, onpoint, onsave, more }) {
    this.onpoint = onpoint;
    this.spans = new Map(
      Object.entries(SPANS).map(([span, text]) => [
        Number(span),
        button(text, text, () => onfollow(Number(span))),
      ]),
    );
    const group = { class: "toggle-group", role: "group", "aria-label": "Time shown" };
    this.live = button("Live", "Live: show the newest numbers (0)", () => onfollow());
    this.later = button("›", "Later", () => onmove(1 / 2));
    this.text = el("span", { class: "zoom-text", role: "status" });
    const steps = { class: "toggle-group", role: "group", "aria-label": "Zoom" };
    this.marks = [];
    this.list = el("ol", { class: "event-list" });
    this.summary = el("summary", {});
    this.details = el("details", { class: "events marks" }, this.summary, this.list);
    this.element = el(
      "div",
      { class: "time-bar" },
      el("div", group, ...this.spans.values()),
      el(
        "div",
        steps,
        button("‹", "Earlier", () => onmove(-1 / 2)),
        button("−", "Zoom out (−)", () => onzoom(2)),
        button("+", "Zoom in (+)", () => onzoom(1 / 2)),
        this.later,
      ),
      this.live,
      this.text,
      el(
        "span",
        { class: "time-tools" },
        button("CSV", "CSV: save the numbers of all charts", onsave),
        ...more,
      ),
    );
  }

  /** Show a window (see chart.js), and the marks in it. */
  paint({ from, until }, marks) {
    const zoomed = isZoomed();
    for (const [span, one] of this.spans) {
      mark(one, "aria-pressed", String(!zoomed && span === options.span));
    }
    show(this.live, zoomed);
    this.later.disabled = !zoomed;
    const text = `${moment(from)} – ${moment(until)} (${duration(until - from)})`;
    write(this.text, zoomed ? text : "");
    show(this.details, marks.length > 0);
    if (marks.length !== this.marks.length || marks.some((one, i) => one !== this.marks[i])) {
      this.#list(marks);
    }
  }

  #list(marks) {
    this.marks = marks;
    write(this.summary, `${count(marks.length, "event")} in this range`);
    const newest = marks.slice(-LISTED).toReversed();
    const texts = newest.map((one) => [one.node, one.severity, moment(one.from), lengthOf(one), one.text]);
    const listed = JSON.stringify(texts);
    if (listed === this.listed) {
      return; // the same are there: one of them may have the focus
    }
    this.listed = listed;
    const rows = newest.map((one) => {
      const point = el("button", { type: "button", class: "small" }, moment(one.from));
      for (const event of ["focus", "pointerenter"]) {
        point.addEventListener(event, () => this.onpoint(one.from));
      }
      for (const event of ["blur", "pointerleave"]) {
        point.addEventListener(event, () => this.onpoint(null));
      }
      return el(
        "li",
        { "data-kind": one.kind, "data-severity": one.severity },
        point,
        el("b", {}, one.node),
        el("span", { class: "kind" }, lengthOf(one)),
        el("span", { class: "text" }, one.text),
      );
    });
    arrange(this.list, rows);
  }
}

/** How long what a mark tells of has lasted. */
function lengthOf({ from, until }) {
  return until === null ? "still" : until === from ? "" : duration(until - from);
}

function button(text, title, onclick) {
  const element = el("button", { type: "button", title, "aria-label": title }, text);
  element.addEventListener("click", onclick);
  return element;
}
