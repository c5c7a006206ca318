// The color theme, dark or light, and its button. No module: it must apply before the first paint.
"use strict";
(() => {
  const KEY = "nodnod.theme";
  const OLD_KEY = "nodnod.scheme"; // of earlier versions, read where the new key is absent
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const LABELS = { auto: "as the system has it", light: "light", dark: "dark" };

  function stored() {
    try {
      const theme = localStorage.getItem(KEY) ?? localStorage.getItem(OLD_KEY);
      return theme in NEXT ? theme : "auto";
    } catch {
      return "auto"; // no storage in this browser
    }
  }

  let theme = stored();

  function apply() {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button === null) {
      return;
    }
    button.querySelector("use").setAttribute("href", `#i-${theme}`);
    button.title = `Theme: ${LABELS[theme]}. Change to ${LABELS[NEXT[theme]]}`;
    button.querySelector(".unseen").textContent = button.title;
  }

  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      theme = NEXT[theme];
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // No storage: the theme holds for this visit.
      }
      apply();
    });
  });
})();
