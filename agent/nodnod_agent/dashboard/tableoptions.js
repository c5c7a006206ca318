// The order of each table, and what is searched in it, among the options: lists of `TABLE:VALUE`.

import { options, setOptions } from "./options.js";

const COLLATOR = new Intl.Collator("en", { numeric: true });

/** The order of a table: the key of a column, with `-` before it for the largest first. */
export function orderOf(table, initial) {
  return valueOf("order", table) ?? initial;
}

export function setOrder(table, order, initial) {
  setValue("order", table, order === initial ? null : order);
}

/** What is searched in a table. */
export function findOf(table) {
  return valueOf("find", table) ?? "";
}

export function setFind(table, text) {
  setValue("find", table, text === "" ? null : text);
}

function valueOf(option, table) {
  const found = options[option].find((entry) => entry.startsWith(`${table}:`));
  return found?.slice(table.length + 1);
}

function setValue(option, table, value) {
  const others = options[option].filter((entry) => !entry.startsWith(`${table}:`));
  setOptions({ [option]: value === null ? others : [...others, `${table}:${value}`] });
}

/**
 * These rows in an order: by number where the values are numbers, unknown ones last in both
 * directions, ties by the first column. An order of no column leaves them as they are.
 */
export function inOrder(rows, columns, order) {
  const reverse = order.startsWith("-");
  const column = columns.find(({ key }) => key === order.slice(reverse ? 1 : 0));
  if (column === undefined) {
    return rows;
  }
  const sign = reverse ? -1 : 1;
  const keyed = rows.map((row) => ({ row, value: column.of(row), name: columns[0].of(row) }));
  keyed.sort((a, b) => {
    const unknown = isUnknown(a.value) - isUnknown(b.value);
    return unknown || sign * compare(a.value, b.value) || compare(a.name, b.name);
  });
  return keyed.map(({ row }) => row);
}

/** Whether there is no value to sort by. */
export function isUnknown(value) {
  return value === null || value === undefined || value === "" || Number.isNaN(value);
}

function compare(a, b) {
  if (isUnknown(a)) {
    return 0;
  }
  return typeof a === "number" && typeof b === "number"
    ? Math.sign(a - b)
    : COLLATOR.compare(String(a), String(b));
}
