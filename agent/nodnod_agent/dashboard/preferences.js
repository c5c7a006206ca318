// The viewer's preferences, stored in this browser: how nodes are shown and sorted.

const KEY = "nodnod.preferences";
const OLD_KEY = "nodnod.choices"; // of earlier versions, read where the new key is absent
const DEFAULTS = { density: "auto", sort: "state", reverse: false, span: 300 };

/** The current preferences. Stored ones may be of another version, so their types are checked. */
export const preferences = { ...DEFAULTS };

try {
  const text = localStorage.getItem(KEY) ?? localStorage.getItem(OLD_KEY);
  const stored = JSON.parse(text) ?? {};
  for (const [name, value] of Object.entries(DEFAULTS)) {
    if (typeof stored[name] === typeof value) {
      preferences[name] = stored[name];
    }
  }
} catch {
  // No storage, or no valid JSON in it: the defaults apply.
}

/** Change some preferences and store all of them. */
export function setPreferences(changes) {
  Object.assign(preferences, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // No storage: the change holds for this visit.
  }
}
