// SVG path data for a line of numbers, broken where a number is missing.

/** Path data of the line and of the area under it, in a box `columns.length - 1` by `height`. */
export function paths(columns, top, height) {
  let line = "";
  let area = "";
  let start = -1;
  const count = columns.length;
  for (let i = 0; i <= count; i += 1) {
    const value = i < count ? columns[i] : NaN;
    if (Number.isNaN(value)) {
      if (start >= 0) {
        // A single point is drawn as a line of no length: its round ends show.
        line += i - 1 === start ? "h0" : "";
        area += `L${i - 1} ${height}Z`;
        start = -1;
      }
      continue;
    }
    const share = top > 0 ? Math.min(1, Math.max(0, value / top)) : 0;
    const y = Math.round((1 - share) * height * 10) / 10;
    if (start < 0) {
      start = i;
      line += `M${i} ${y}`;
      area += `M${i} ${height}L${i} ${y}`;
    } else {
      line += `L${i} ${y}`;
      area += `L${i} ${y}`;
    }
  }
  return { line, area };
}
