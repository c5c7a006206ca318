// Copying text, also where the browser has no clipboard for pages: those without https.

import { el } from "./dom.js";

/** Copy a text; whether that could be done. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text); // no secure context, or no permission
  }
}

/** A button that copies what `text()` gives, and says so. */
export function copyButton(text, label = "Copy") {
  const button = el("button", { type: "button", class: "small" }, label);
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text())) ? "Copied" : "Not copied";
  });
  button.addEventListener("blur", () => {
    button.textContent = label;
  });
  return button;
}

function copySelected(text) {
  const held = document.activeElement;
  const field = el("textarea", { class: "unseen", readonly: true }, text);
  (document.querySelector("dialog:modal") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  held?.focus({ preventScroll: true });
  return done;
}
