// A track: what a line of a chart shows, as points at equal distances of time.
//
// `{ first, every, means, peaks }`: the time of the first point in Unix seconds by the browser's
// clock, the seconds between two, their values (NaN for none), and the highest values of the seconds
// that each stands for; `peaks` is null where those are the means.

export const NO_TRACK = { first: 0, every: 1, means: new Float32Array(0), peaks: null };

/** The value at a time: that of the nearest point. NaN if there is none. */
export function valueAt({ first, every, means }, time) {
  return means[Math.round((time - first) / every)] ?? NaN;
}

/** The newest value that is known; NaN if none is. */
export function lastOf({ means }) {
  return means.findLast((value) => !Number.isNaN(value)) ?? NaN;
}

/** The lowest mean, the mean and the highest value of the points between two moments. */
export function summaryOf({ first, every, means, peaks }, from, until) {
  const begin = Math.max(0, Math.ceil((from - first) / every));
  const end = Math.min(means.length - 1, Math.floor((until - first) / every));
  let [lowest, highest, sum, known] = [Infinity, -Infinity, 0, 0];
  for (let i = begin; i <= end; i += 1) {
    const value = means[i];
    if (!Number.isNaN(value)) {
      const peak = peaks === null ? value : Math.max(value, peaks[i] || 0);
      lowest = value < lowest ? value : lowest;
      highest = peak > highest ? peak : highest;
      sum += value;
      known += 1;
    }
  }
  const none = { lowest: NaN, mean: NaN, highest: NaN };
  return known === 0 ? none : { lowest, mean: sum / known, highest };
}

/** The part of a track between two moments, and one more point at each end. */
export function cut({ first, every, means, peaks }, from, until) {
  const begin = Math.max(0, Math.floor((from - first) / every));
  const end = Math.max(begin, Math.ceil((until - first) / every) + 1);
  const part = (values) => values?.subarray(begin, end) ?? null;
  return { first: first + begin * every, every, means: part(means), peaks: part(peaks) };
}

/**
 * Tracks upon each other: the upper edge of each. All must have the same points; one without a value
 * adds nothing, and where none has one, nothing is stacked.
 */
export function stack(tracks) {
  const count = Math.max(0, ...tracks.map(({ means }) => means.length));
  const sums = new Float32Array(count);
  for (let i = 0; i < count; i += 1) {
    sums[i] = tracks.every(({ means }) => Number.isNaN(means[i] ?? NaN)) ? NaN : 0;
  }
  return tracks.map(({ means }) => {
    for (let i = 0; i < means.length; i += 1) {
      sums[i] += means[i] || 0;
    }
    return sums.slice();
  });
}
