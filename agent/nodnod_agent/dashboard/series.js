// A time series: a ring buffer of one-second slots, NaN where no number is known.

import { NO_TRACK } from "./track.js";

/**
 * Longest gap in seconds that is filled with the next value: ticks come late or are skipped. After a
 * longer one, as of a tab that was suspended, the history is to be requested again.
 */
export const MAX_GAP = 3.5;

export class Series {
  /** `seconds` is its length; `peaks` is whether it keeps a highest value beside each mean. */
  constructor(seconds, { peaks = false } = {}) {
    this.seconds = seconds;
    this.newest = -1; // the newest slot, as whole Unix seconds
    this.fills = 0; // how many histories have been filled in
    this.values = new Float32Array(seconds).fill(NaN);
    this.peaks = peaks ? new Float32Array(seconds).fill(NaN) : this.values;
  }

  /** Set the value at `time` (Unix seconds by the browser's clock); NaN for none. */
  put(time, value) {
    const slot = Math.floor(time);
    const step = slot - this.newest;
    if (step < 0) {
      if (step > -MAX_GAP) {
        return;
      }
      this.#clear(slot); // the clock was set back: older values have no valid time any more
    } else if (this.newest < 0 || step > this.seconds) {
      this.#clear(slot);
    }
    const filled = step <= MAX_GAP && this.newest >= 0 && !Number.isNaN(this.at(this.newest));
    for (let between = this.newest + 1; between < slot; between += 1) {
      this.#set(between, filled ? value : NaN);
    }
    this.newest = slot;
    this.#set(slot, value);
  }

  /**
   * Fill in a history: `points` that are `every` seconds apart, the last of them `ago` seconds before
   * `time`, which is now. `peaks` are the highest values of each, if they are known.
   */
  fill(time, every, points, ago = 0, peaks = points) {
    this.fills += 1;
    const step = Math.max(1, Math.round(every));
    const last = Math.floor(time);
    this.put(last, this.at(last));
    for (let i = 0; i < points.length; i += 1) {
      const value = points[i] ?? NaN;
      const peak = peaks[i] ?? NaN;
      const end = last - Math.round(ago + (points.length - 1 - i) * every);
      const stop = Math.min(end, this.newest);
      for (let slot = Math.max(end - step, this.newest - this.seconds) + 1; slot <= stop; slot += 1) {
        this.#set(slot, value, peak);
      }
    }
  }

  /** Take the values of another series, which may be shorter. */
  copy(other) {
    if (other.newest < 0) {
      return;
    }
    const points = Array.from({ length: other.seconds }, (_, i) =>
      other.at(other.newest - other.seconds + 1 + i),
    );
    this.fill(other.newest, 1, points);
  }

  /** Forget all values. */
  reset() {
    this.#clear(-1);
  }

  /** The value of a slot. */
  at(slot) {
    const held = slot <= this.newest && slot > this.newest - this.seconds;
    return held ? this.values[slot % this.seconds] : NaN;
  }

  /** The newest value. */
  last() {
    return this.at(this.newest);
  }

  /** The `span` seconds until `time` as `count` means, each over equally many slots. */
  columns(time, span, count) {
    const each = Math.max(1, Math.round(span / count));
    // Columns are aligned to absolute time. Otherwise each tick averages other slots, and the line
    // flickers.
    const end = (Math.floor(Math.floor(time) / each) + 1) * each;
    return this.#means(end - count * each, each, count);
  }

  /** What is known between two moments as a track (see track.js), of some `most` points. */
  track(from, until, most) {
    const each = Math.max(1, Math.ceil((until - from) / most));
    const start = Math.floor(from / each) * each;
    const count = Math.floor(until / each) - start / each + 1;
    if (this.newest < 0 || start > this.newest || until <= this.newest - this.seconds) {
      return NO_TRACK;
    }
    const means = this.#means(start, each, count);
    const alike = each === 1 && this.peaks === this.values;
    const peaks = alike ? null : this.#highest(start, each, count);
    return { first: start + (each - 1) / 2, every: each, means, peaks };
  }

  /** The means of `count` times `each` slots, the first of which is `slot`. */
  #means(slot, each, count) {
    const columns = new Float32Array(count).fill(NaN);
    const { values, seconds, newest } = this;
    for (let i = 0; i < count; i += 1) {
      let sum = 0;
      let known = 0;
      for (const stop = slot + each; slot < stop; slot += 1) {
        const value = slot <= newest && slot > newest - seconds ? values[slot % seconds] : NaN;
        if (!Number.isNaN(value)) {
          sum += value;
          known += 1;
        }
      }
      if (known > 0) {
        columns[i] = sum / known;
      }
    }
    return columns;
  }

  #highest(slot, each, count) {
    const columns = new Float32Array(count).fill(NaN);
    const { peaks, seconds, newest } = this;
    for (let i = 0; i < count; i += 1) {
      for (const stop = slot + each; slot < stop; slot += 1) {
        const value = slot <= newest && slot > newest - seconds ? peaks[slot % seconds] : NaN;
        if (!Number.isNaN(value) && !(value <= columns[i])) {
          columns[i] = value;
        }
      }
    }
    return columns;
  }

  #set(slot, value, peak = value) {
    this.values[slot % this.seconds] = value;
    this.peaks[slot % this.seconds] = peak;
  }

  #clear(slot) {
    this.values.fill(NaN);
    this.peaks.fill(NaN);
    this.newest = slot;
  }
}
