// What the viewer has chosen, kept in this browser: how nodes are shown and sorted.

const KEY = "nodnod.choices";
const DEFAULTS = { density: "auto", sort: "state", reverse: false, span: 300 };

/** The choices; what is stored may be of another version, so each is checked for its kind. */
export const choices = { ...DEFAULTS };

try {
  const stored = JSON.parse(localStorage.getItem(KEY)) ?? {};
  for (const [name, value] of Object.entries(DEFAULTS)) {
    if (typeof stored[name] === typeof value) {
      choices[name] = stored[name];
    }
  }
} catch {
  // Nothing is kept, or nothing that we can read: the defaults do.
}

/** Choose, and remember. */
export function choose(changes) {
  Object.assign(choices, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(choices));
  } catch {
    // It holds for this visit then.
  }
}
