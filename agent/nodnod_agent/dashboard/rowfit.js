// What of the columns fits into a row: the widths of its cells.

import { COLUMNS } from "./nodecolumns.js";

const GAP = 1.1; // rem, as in the style sheet
const NAMES = { least: 11, share: 0.17 }; // of the column of names: rem, and of the whole row

/** Room -> whether notes and lines are shown; without enough for the numbers, cells wrap. */
const FITS = ["wide", "medium", "compact"];

/**
 * The widest layout for these columns in a row of `width` rem, as the CSS of the tracks: `fit` is
 * `wide` (everything), `medium` (without sizes), `compact` (without lines) or `narrow`.
 */
export function rowFit(columns, width) {
  for (const [i, fit] of FITS.entries()) {
    const widths = columns.map((name) => COLUMNS[name].widths[i]);
    const left = widths.reduce((rest, one) => rest - one - GAP, width);
    if (left >= NAMES.least) {
      const names = Math.max(NAMES.least, Math.min(left, NAMES.share * width));
      const tracks = widths.map((one) => `minmax(${one}rem, ${one}fr)`).join(" ");
      return { fit, names: `${names.toFixed(1)}rem`, tracks: tracks || "none" };
    }
  }
  return { fit: "narrow", names: "auto", tracks: "repeat(3, minmax(0, 1fr))" };
}

/** The height of the numbers in a card, in rem. */
export function cardHeight(columns, gap) {
  return columns.reduce((sum, name) => sum + COLUMNS[name].height + gap, -gap);
}
