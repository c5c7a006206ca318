// Kinds of columns of a table, and which of them fit.
//
// A column is `{ key, head, kind, of, text, width, minor, bar, level }`. `of(row)` is the value, by
// which it is sorted, `text(value, row)` how that is written. `width` is in em: columns of a fixed
// width neither move at each tick nor have to be measured. The first column takes what is left.
// Where there is no room, columns with the largest `minor` are left out first.

/** A column of words. */
export function words(key, head, options = {}) {
  return { key, head, kind: "words", width: 8, of: (row) => row[key], text: plain, ...options };
}

/** A column of numbers: `text` writes one. */
export function numbers(key, head, text, options = {}) {
  return { key, head, kind: "number", width: 6.1, of: (row) => row[key], text, ...options };
}

/** A column of shares in percent, with a bar. */
export function shares(key, head, text, options = {}) {
  return numbers(key, head, text, { kind: "share", width: 9.8, ...options });
}

const plain = (value) => value ?? "";

/**
 * The columns that fit into `width` em, of those that are not `empty`. The one with the key `wanted`
 * comes before others, and room for the names (`roomy` of the first column) before minor ones.
 */
export function fitting(columns, width, wanted, empty) {
  const rank = ({ key, minor = 0 }) => (key === wanted ? 0 : minor);
  const [names] = columns;
  const fit = new Set();
  let left = width;
  for (const column of columns.toSorted((a, b) => rank(a) - rank(b))) {
    const isMinor = rank(column) > 0;
    if (isMinor && empty.has(column)) {
      continue;
    }
    left -= column.width;
    if (isMinor && left < (names.roomy ?? names.width) - names.width) {
      break;
    }
    fit.add(column);
  }
  return fit;
}
