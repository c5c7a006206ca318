// The crosshair: the moment that the viewer points at, and the stretch of time that is being
// selected. All charts of a page share it.

export class Crosshair {
  #onmove;

  constructor(onmove) {
    this.time = null; // Unix seconds; null while nothing is pointed at
    this.anchor = null; // where a selection began; it goes from there to `time`
    this.#onmove = onmove;
  }

  /** Point at a moment, or at none (null), which ends a selection. */
  move(time) {
    if (time !== this.time) {
      this.time = time;
      this.anchor = time === null ? null : this.anchor;
      this.#onmove();
    }
  }

  /** Begin a selection at a moment; null ends it. */
  select(anchor) {
    if (anchor !== this.anchor) {
      this.anchor = anchor;
      this.#onmove();
    }
  }

  /** What is selected, as [from, until]; null for nothing. */
  get selection() {
    const { anchor, time } = this;
    const none = anchor === null || time === null || anchor === time;
    return none ? null : [Math.min(anchor, time), Math.max(anchor, time)];
  }
}
