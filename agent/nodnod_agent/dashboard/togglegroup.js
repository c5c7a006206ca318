// A toggle group: buttons side by side, of which exactly one is pressed.

import { el, mark } from "./dom.js";

/**
 * The element of a group. `options` maps a value to its label, `selected` is the value pressed at
 * first, `onselect` is called with the value of a button that is pressed.
 */
export function toggleGroup(label, options, selected, onselect) {
  const buttons = Object.entries(options).map(([value, text]) => {
    const pressed = String(value === selected);
    const button = el("button", { type: "button", "aria-pressed": pressed }, text);
    button.addEventListener("click", () => {
      for (const other of buttons) {
        mark(other, "aria-pressed", String(other === button));
      }
      onselect(value);
    });
    return button;
  });
  return el("div", { class: "toggle-group", role: "group", "aria-label": label }, ...buttons);
}
