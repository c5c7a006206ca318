// Names with a common beginning, cut in the middle: what tells them apart stays legible.

import { el, mark } from "./dom.js";

/** Shorter names, and shorter beginnings, are shown as any text. */
const LONG_NAME = 16;
const LONG_BEGINNING = 8;

/**
 * Name -> how many characters of its beginning may be cut: what it has in common with another one
 * of these, up to the last separator or whole emoji. 0: it is not such a name.
 */
export function beginnings(names) {
  const sorted = [...new Set(names)].sort();
  return new Map(
    sorted.map((name, i) => {
      const common = Math.max(alike(name, sorted[i - 1]), alike(name, sorted[i + 1]));
      const word = /[\p{L}\p{N}\p{Surrogate}]*$/u.exec(name.slice(0, common))[0].length;
      const at = common - word;
      return [name, name.length >= LONG_NAME && at >= LONG_BEGINNING ? at : 0];
    }),
  );
}

/** Show a name whose first `at` characters may be cut. What is copied is the whole name. */
export function writeName(element, name, at) {
  const written = `${at} ${name}`;
  if (element.written === written) {
    return;
  }
  element.written = written;
  if (at === 0) {
    element.textContent = name;
    mark(element, "aria-label", null);
    return;
  }
  const end = name.slice(at);
  const beginning = el("span", { class: "beginning" }, name.slice(0, at));
  beginning.style.maxWidth = `max(2ch, calc(100% - ${widthOf(end).toFixed(1)}ch))`;
  element.replaceChildren(beginning, end);
  mark(element, "aria-label", name); // else it would be read as two words
}

/**
 * About how wide a text is, in widths of a digit; rather too much: the beginning of a name that just
 * fits may be cut, but never its end.
 */
function widthOf(text) {
  const narrow = text.match(/[ijltfr.,:;'|!()/\\ -]/g)?.length ?? 0;
  const wide = text.match(/[mwMW@%]/g)?.length ?? 0;
  return text.length - 0.45 * narrow + 0.5 * wide;
}

function alike(name, other = "") {
  let common = 0;
  while (common < name.length && name[common] === other[common]) {
    common += 1;
  }
  return common === name.length ? 0 : common;
}
