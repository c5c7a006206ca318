// The button that copies a link to what is shown, at the agent that answers.

import { copy } from "./clipboard.js";
import { mark, write } from "./dom.js";

export class ShareLink {
  /** `endpoint()` is the agent that answers; what was done is said in `news`, too. */
  constructor(button, news, endpoint) {
    Object.assign(this, { button, news, endpoint });
    button.addEventListener("click", () => this.copy());
    const clear = () => mark(button, "data-done", null);
    button.addEventListener("pointerleave", clear);
    // A key copies too, wherever the pointer and the focus are.
    for (const next of ["keydown", "pointerdown"]) {
      addEventListener(next, clear, { capture: true });
    }
  }

  async copy() {
    // After a move, the address of the page is that of an agent which is gone.
    const done = await copy(this.endpoint().href + location.hash);
    const text = done ? "Copied" : "Not copied";
    mark(this.button, "data-done", text);
    write(this.news, done ? "The link to this view is copied" : "The link could not be copied");
  }
}
