// Comma-separated values (RFC 4180), for spreadsheets.

/** A spreadsheet takes a text that begins so for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** The text of a table: rows of strings, and of numbers, of which one that is not finite is empty. */
export function csvText(rows) {
  return rows.map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
}

function cell(value) {
  if (typeof value === "number") {
    return Number.isFinite(value) ? String(value) : "";
  }
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
