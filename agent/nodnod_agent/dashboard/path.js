// SVG path data for lines of numbers, broken where a number is missing.

/**
 * Path data of the line and of the area under it, in a box of this `height`. `x` is where the first
 * value is, `step` the distance of two.
 */
export function paths(values, top, height, x = 0, step = 1) {
  let line = "";
  let area = "";
  let start = -1;
  const count = values.length;
  for (let i = 0; i <= count; i += 1) {
    const value = i < count ? values[i] : NaN;
    if (Number.isNaN(value)) {
      if (start >= 0) {
        // A single point is drawn as a line of no length: its round ends show.
        line += i - 1 === start ? "h0" : "";
        area += `L${at(x + (i - 1) * step)} ${height}Z`;
        start = -1;
      }
      continue;
    }
    const point = `${at(x + i * step)} ${level(value, top, height)}`;
    if (start < 0) {
      start = i;
      line += `M${point}`;
      area += `M${at(x + i * step)} ${height}L${point}`;
    } else {
      line += `L${point}`;
      area += `L${point}`;
    }
  }
  return { line, area };
}

/** Path data of the area between two lines of numbers, where both are known. */
export function band(low, high, top, height, x = 0, step = 1) {
  let path = "";
  let back = [];
  for (let i = 0; i <= low.length; i += 1) {
    if (i === low.length || Number.isNaN(low[i]) || Number.isNaN(high[i])) {
      path += back.length > 0 ? `L${back.reverse().join("L")}Z` : "";
      back = [];
      continue;
    }
    const place = at(x + i * step);
    path += `${back.length === 0 ? "M" : "L"}${place} ${level(high[i], top, height)}`;
    back.push(`${place} ${level(low[i], top, height)}`);
  }
  return path;
}

/** How far below the upper edge a value is. */
function level(value, top, height) {
  const share = top > 0 ? Math.min(1, Math.max(0, value / top)) : 0;
  return Math.round((1 - share) * height * 10) / 10;
}

function at(x) {
  return Math.round(x * 100) / 100;
}
