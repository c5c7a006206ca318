// SVG path data for lines of numbers, broken where a number is missing.

let places = []; // the x of each point as text, and what they were made for: most lines have the same
let placesKey = "";

/**
 * Path data of the line and of the area under it, in a box of this `height`. `x` is where the first
 * value is, `step` the distance of two.
 */
export function paths(values, top, height, x = 0, step = 1) {
  let line = "";
  let area = "";
  const at = placesOf(x, step, values.length);
  for (const [start, end] of runs(values)) {
    let run = point(at, values, start, top, height);
    for (let i = start + 1; i < end; i += 1) {
      run += `L${point(at, values, i, top, height)}`;
    }
    // A single point is drawn as a line of no length: its round ends show.
    line += end - start === 1 ? `M${run}h0` : `M${run}`;
    area += `M${at[start]} ${height}L${run}L${at[end - 1]} ${height}Z`;
  }
  return { line, area };
}

/** Path data of the area between two lines of numbers, where both are known. */
export function band(low, high, top, height, x = 0, step = 1) {
  let path = "";
  const at = placesOf(x, step, low.length);
  const both = low.map((value, i) => value + high[i]);
  for (const [start, end] of runs(both)) {
    path += `M${point(at, high, start, top, height)}`;
    for (let i = start + 1; i < end; i += 1) {
      path += `L${point(at, high, i, top, height)}`;
    }
    for (let i = end - 1; i >= start; i -= 1) {
      path += `L${point(at, low, i, top, height)}`;
    }
    path += "Z";
  }
  return path;
}

/** The parts of the values without a gap, each as its first index and the one behind it. */
function runs(values) {
  const found = [];
  let start = -1;
  for (let i = 0; i <= values.length; i += 1) {
    const known = i < values.length && !Number.isNaN(values[i]);
    if (known && start < 0) {
      start = i;
    } else if (!known && start >= 0) {
      found.push([start, i]);
      start = -1;
    }
  }
  return found;
}

function point(at, values, i, top, height) {
  // Of a value without end, the share is no number.
  const share = top > 0 ? Math.min(1, Math.max(0, values[i] / top)) || 0 : 0;
  // Whole numbers, of which a large box has enough, are written fastest.
  const y = (1 - share) * height;
  return `${at[i]} ${height < 1000 ? Math.round(y * 10) / 10 : Math.round(y)}`;
}

function placesOf(x, step, count) {
  const key = `${x} ${step} ${count}`;
  if (key !== placesKey) {
    placesKey = key;
    places = Array.from({ length: count }, (_, i) => String(Math.round((x + i * step) * 100) / 100));
  }
  return places;
}
