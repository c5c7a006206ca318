// The crosshair: the moment that the viewer points at, shared by all charts of a page.

export class Crosshair {
  #onmove;

  constructor(onmove) {
    this.time = null; // Unix seconds; null while nothing is pointed at
    this.#onmove = onmove;
  }

  /** Point at a moment, or at none (null). */
  move(time) {
    if (time !== this.time) {
      this.time = time;
      this.#onmove();
    }
  }
}
