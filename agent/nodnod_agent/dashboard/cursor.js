// The moment that the viewer points at, shared by all charts of a page.

export class Cursor {
  #onmove;

  constructor(onmove) {
    this.time = null; // Unix seconds, or null: nobody points anywhere
    this.#onmove = onmove;
  }

  /** Point at a moment, or (null) at none. */
  move(time) {
    if (time !== this.time) {
      this.time = time;
      this.#onmove();
    }
  }
}
