// One of several: buttons side by side, of which one is pressed.

import { el, mark } from "./dom.js";

/** `options`: value -> its words. `onchoose` hears the value of the one that is pressed. */
export function choice(label, options, chosen, onchoose) {
  const buttons = Object.entries(options).map(([value, words]) => {
    const pressed = String(value === chosen);
    const button = el("button", { type: "button", "aria-pressed": pressed }, words);
    button.addEventListener("click", () => {
      for (const other of buttons) {
        mark(other, "aria-pressed", String(other === button));
      }
      onchoose(value);
    });
    return button;
  });
  return el("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
}
