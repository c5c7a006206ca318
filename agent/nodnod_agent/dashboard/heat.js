// The heat map: a square for each node, with one of its numbers as the color.

import { sentence } from "./alertline.js";
import { el, mark, show, write } from "./dom.js";
import { COLUMNS, describe } from "./nodecolumns.js";
import { linkTo } from "./route.js";
import { STATES } from "./state.js";

const STEPS = 10;
const TIP = "heat-tip";

const GAP = 2; // pixels between squares, as in the style sheet
const SIZES = { least: 11, most: 36 }; // of a square, in pixels

const percent = { share: (value) => value / 100, ends: ["0 %", "100 %"] };
const perSecond = {
  share: (value) => Math.log2(Math.max(1, value / 1024)) / 20,
  ends: ["1 KiB/s", "1 GiB/s"],
};

/** Column -> the share of the scale (0 to 1) for its value, and what stands at the ends of the scale. */
export const SCALES = {
  cpu: percent,
  memory: percent,
  disk: percent,
  network: perSecond,
  io: perSecond,
  load: { share: (value, { cores }) => value / (cores ?? 1) / 2, ends: ["0", "2 per core"] },
  swap: percent,
  temperature: { share: (value) => (value - 20) / 80, ends: ["20 °C", "100 °C"] },
  pressure: percent,
};

export class Square {
  constructor(name) {
    this.name = name;
    this.link = el("a", { class: "title", href: linkTo(name), "aria-describedby": TIP }, name);
    this.element = el("li", { class: "node square", "data-node": name }, this.link);
    this.inSight = true; // all of them are, as a rule
    this.state = this.step = this.grade = this.severity = this.picked = null;
  }

  /** Show what every square has. */
  update({ state }, pinned, picked) {
    this.#mark("state", state);
    this.#mark("picked", picked ? "" : null);
  }

  /** Show the value of the column `heat`, and whether there are alerts. */
  paint(node, { now, alerts, heat }) {
    const { value: valueOf, level } = COLUMNS[heat];
    const value = valueOf(node, now);
    const share = value === null ? NaN : SCALES[heat].share(value, node);
    const step = Math.min(STEPS - 1, Math.max(0, Math.floor(share * STEPS)));
    this.#mark("step", Number.isNaN(step) ? null : step);
    this.#mark("grade", value === null || level === undefined ? null : level(value, node));
    const [worst] = alerts.of(node.name);
    this.#mark("severity", worst === undefined || worst.silenced ? null : worst.severity);
  }

  #mark(name, value) {
    if (value !== this[name]) {
      this[name] = value;
      mark(this.element, `data-${name}`, value);
    }
  }
}

/** The size of `count` squares that fill `width` by `height` pixels at most, in pixels. */
export function squareSize(count, width, height) {
  for (let size = SIZES.most; size > SIZES.least; size -= 1) {
    const inRow = Math.max(1, Math.floor((width + GAP) / (size + GAP)));
    if (Math.ceil(count / inRow) * (size + GAP) <= height) {
      return size;
    }
  }
  return SIZES.least;
}

/** The scale of the colors, with the choice of the number that they show. */
export class HeatScale {
  constructor(onchange) {
    const choices = Object.keys(SCALES).map((name) =>
      el("option", { value: name }, COLUMNS[name].word),
    );
    this.choice = el("select", { "aria-label": "Color shows" }, ...choices);
    this.choice.addEventListener("change", () => onchange({ heat: this.choice.value }));
    this.low = el("span", {});
    this.high = el("span", {});
    const steps = Array.from({ length: STEPS }, (_, step) => el("i", { "data-step": String(step) }));
    const scale = el("span", { class: "scale-steps", "aria-hidden": "true" }, ...steps);
    this.marks = el("span", { class: "heat-marks" });
    this.element = el("div", { class: "legend" }, this.choice, this.low, scale, this.high, this.marks);
  }

  paint(heat) {
    if (this.choice.value !== heat) {
      this.choice.value = heat;
    }
    const [low, high] = SCALES[heat].ends;
    write(this.low, low);
    write(this.high, high);
    const levels = COLUMNS[heat].level === undefined ? "" : "▲ high ◆ critical ";
    write(this.marks, `${levels}◐ stale ! error ✕ down · a frame: alerts`);
  }
}

/** What the square under the pointer, or the one that has the focus, stands for. */
export class Tip {
  /** `list` has the squares. */
  constructor(list) {
    this.element = el("p", { class: "heat-tip", id: TIP, role: "tooltip", hidden: true });
    this.name = null;
    for (const kind of ["pointerover", "focusin"]) {
      list.addEventListener(kind, ({ target }) => this.#at(target.closest(".square")));
    }
    list.addEventListener("pointerleave", () => this.#at(null));
    list.addEventListener("focusout", () => this.#at(null));
  }

  /** Show the numbers as they are now. */
  paint(nodes, { now, alerts, heat }) {
    const node = nodes.get(this.name);
    show(this.element, node !== undefined);
    if (node === undefined) {
      return;
    }
    const firing = alerts.of(node.name).filter(({ silenced }) => !silenced);
    const state = node.state === "up" ? [] : [STATES[node.state].word];
    const lines = [...state, describe(COLUMNS[heat], node, now), ...node.tags, ...firing.map(sentence)];
    write(this.element, [node.name, ...lines].join("\n"));
  }

  #at(square) {
    this.name = square?.dataset.node ?? null;
    if (square === null) {
      show(this.element, false);
      return;
    }
    const { left, right, top, bottom } = square.getBoundingClientRect();
    const { style } = this.element;
    const low = top > innerHeight / 2;
    const far = left > innerWidth / 2;
    Object.assign(style, {
      top: low ? "auto" : `${bottom + 6}px`,
      bottom: low ? `${innerHeight - top + 6}px` : "auto",
      left: far ? "auto" : `${left}px`,
      right: far ? `${document.documentElement.clientWidth - right}px` : "auto",
    });
    this.onmove?.();
  }
}
