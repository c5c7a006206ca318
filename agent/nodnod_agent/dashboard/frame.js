// The repaint: at most one per frame of the screen, whatever has changed.

export class Frame {
  #paint;
  #requested = false;

  constructor(paint) {
    this.#paint = paint;
  }

  /** Repaint in the next frame. A hidden tab has no frames, so it costs nothing there. */
  request() {
    if (!this.#requested) {
      this.#requested = true;
      requestAnimationFrame(() => {
        this.#requested = false;
        this.#paint();
      });
    }
  }
}
