// A time series: a ring buffer of one-second slots, NaN where no number is known.

/** Longest gap in seconds that is filled with the next value: ticks come late or are skipped. */
const MAX_GAP = 3.5;

export class Series {
  /** `seconds` is its length. */
  constructor(seconds) {
    this.seconds = seconds;
    this.newest = -1; // the newest slot, as whole Unix seconds
    this.fills = 0; // how many histories have been filled in
    this.values = new Float32Array(seconds).fill(NaN);
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
   * `time`, which is now.
   */
  fill(time, every, points, ago = 0) {
    this.fills += 1;
    const step = Math.max(1, Math.round(every));
    const last = Math.floor(time);
    this.put(last, this.at(last));
    for (let i = 0; i < points.length; i += 1) {
      const value = points[i] === null ? NaN : points[i];
      const end = last - Math.round(ago + (points.length - 1 - i) * every);
      for (let slot = end - step + 1; slot <= end; slot += 1) {
        if (slot > this.newest - this.seconds && slot <= this.newest) {
          this.#set(slot, value);
        }
      }
    }
  }

  /** Forget all values. */
  reset() {
    this.newest = -1;
    this.values.fill(NaN);
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
    const columns = new Float32Array(count);
    const each = Math.max(1, Math.round(span / count));
    // Columns are aligned to absolute time. Otherwise each tick averages other slots, and the line
    // flickers.
    const end = (Math.floor(Math.floor(time) / each) + 1) * each;
    let slot = end - count * each;
    for (let i = 0; i < count; i += 1) {
      let sum = 0;
      let known = 0;
      for (const stop = slot + each; slot < stop; slot += 1) {
        const value = this.at(slot);
        if (!Number.isNaN(value)) {
          sum += value;
          known += 1;
        }
      }
      columns[i] = known === 0 ? NaN : sum / known;
    }
    return columns;
  }

  #set(slot, value) {
    this.values[slot % this.seconds] = value;
  }

  #clear(slot) {
    this.values.fill(NaN);
    this.newest = slot;
  }
}
