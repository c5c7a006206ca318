// Lines as SVG path data: from columns of numbers, broken where there is a hole.

/** The line, and the area under it; both in a box of `columns.length - 1` by `height`. */
export function paths(columns, top, height) {
  let line = "";
  let area = "";
  let begun = -1;
  const count = columns.length;
  for (let i = 0; i <= count; i += 1) {
    const value = i < count ? columns[i] : NaN;
    if (Number.isNaN(value)) {
      if (begun >= 0) {
        // A single point still shows: the round ends of a line of no length.
        line += i - 1 === begun ? "h0" : "";
        area += `L${i - 1} ${height}Z`;
        begun = -1;
      }
      continue;
    }
    const share = top > 0 ? Math.min(1, Math.max(0, value / top)) : 0;
    const y = Math.round((1 - share) * height * 10) / 10;
    if (begun < 0) {
      begun = i;
      line += `M${i} ${y}`;
      area += `M${i} ${height}L${i} ${y}`;
    } else {
      line += `L${i} ${y}`;
      area += `L${i} ${y}`;
    }
  }
  return { line, area };
}
