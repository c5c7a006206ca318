// The repaint: however much has changed, one for each frame of the screen.

export class Frame {
  #paint;
  #asked = false;

  constructor(paint) {
    this.#paint = paint;
  }

  /** Repaint in the next frame. In a tab that nobody sees there is none, so it costs nothing. */
  request() {
    if (!this.#asked) {
      this.#asked = true;
      requestAnimationFrame(() => {
        this.#asked = false;
        this.#paint();
      });
    }
  }
}
