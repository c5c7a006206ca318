// The scheme, dark or light: set before the first paint, so no module; and the button for it.
"use strict";
(() => {
  const KEY = "nodnod.scheme";
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const SAID = { auto: "as the system has it", light: "light", dark: "dark" };

  function stored() {
    try {
      return localStorage.getItem(KEY) in NEXT ? localStorage.getItem(KEY) : "auto";
    } catch {
      return "auto"; // a browser that keeps nothing
    }
  }

  let scheme = stored();

  function apply() {
    document.documentElement.dataset.scheme = scheme;
    const button = document.getElementById("scheme");
    if (button === null) {
      return;
    }
    button.querySelector("use").setAttribute("href", `#i-${scheme}`);
    button.title = `Colours: ${SAID[scheme]}. Change to ${SAID[NEXT[scheme]]}`;
    button.querySelector(".unseen").textContent = button.title;
  }

  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("scheme").addEventListener("click", () => {
      scheme = NEXT[scheme];
      try {
        localStorage.setItem(KEY, scheme);
      } catch {
        // It holds for this visit then.
      }
      apply();
    });
  });
})();
