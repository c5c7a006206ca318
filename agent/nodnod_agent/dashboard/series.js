// One number over time: a ring of one-second slots, NaN where there is a hole.

/** Seconds between two values that a line may still cross: ticks come late, and are skipped. */
const BRIDGE = 3.5;

export class Series {
  /** `seconds` is how far back it reaches. */
  constructor(seconds) {
    this.seconds = seconds;
    this.newest = -1; // the number of the newest slot: whole Unix seconds
    this.values = new Float32Array(seconds).fill(NaN);
  }

  /** Take a value of this moment (Unix seconds of this browser); NaN says that there is none. */
  put(time, value) {
    const slot = Math.floor(time);
    const step = slot - this.newest;
    if (step < 0) {
      if (step > -BRIDGE) {
        return;
      }
      this.#clear(slot); // the clock was set back: the past has no place on it any more
    } else if (this.newest < 0 || step > this.seconds) {
      this.#clear(slot);
    }
    const bridged = step <= BRIDGE && this.newest >= 0 && !Number.isNaN(this.at(this.newest));
    for (let between = this.newest + 1; between < slot; between += 1) {
      this.#set(between, bridged ? value : NaN);
    }
    this.newest = slot;
    this.#set(slot, value);
  }

  /** Take a past as an answer has it: `points`, `every` seconds apart, the last of them of now. */
  fill(time, every, points) {
    const step = Math.max(1, Math.round(every));
    const last = Math.floor(time);
    this.put(last, this.at(last));
    for (let i = 0; i < points.length; i += 1) {
      const value = points[i] === null ? NaN : points[i];
      const end = last - Math.round((points.length - 1 - i) * every);
      for (let slot = end - step + 1; slot <= end; slot += 1) {
        if (slot > this.newest - this.seconds && slot <= this.newest) {
          this.#set(slot, value);
        }
      }
    }
  }

  /** The value of a slot. */
  at(slot) {
    const held = slot <= this.newest && slot > this.newest - this.seconds;
    return held ? this.values[slot % this.seconds] : NaN;
  }

  /** The newest value there is. */
  last() {
    return this.at(this.newest);
  }

  /** The `span` seconds until `time`, as `count` means of equally many slots. */
  columns(time, span, count) {
    const columns = new Float32Array(count);
    const each = Math.max(1, Math.round(span / count));
    // Whole columns of absolute time: else each tick would mean other slots, and the line tremble.
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
